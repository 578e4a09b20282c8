"""Classify a pair: the same picture, similar shots, or neither."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from search.duplicates.cell_comparison import Small, cell_means, cells_match
from search.duplicates.duplicate_thresholds import MOST_MISSES, is_burst, is_same_by_hash, may_be_same
from search.duplicates.keypoint_matching import Match, Points, match
from search.imaging.perceptual_hash import bits_apart

_UNKNOWN = Match(0, None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible duplicate; pictures are any hashable keys. `similarity` is None if only the hashes are similar."""

    image: Any
    other: Any
    similarity: float | None
    hashes: tuple[int | None, int | None]
    taken: tuple[dt.datetime | None, dt.datetime | None] = (None, None)

    @property
    def key(self) -> tuple[Any, Any]:
        return min(self.image, self.other), max(self.image, self.other)

    @property
    def bits(self) -> int | None:
        one, other = self.hashes
        return None if one is None or other is None else bits_apart(one, other)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was computed from a picture's pixels; `points` is None if it has too few, or without OpenCV."""

    small: Small
    points: Points | None


class Verdict(NamedTuple):
    """`is_same` is False for similar shots."""

    is_same: bool
    points: int = 0


class Judge:
    """Judges candidates, which must come nearest first for each picture. `seen` returns None for an unreadable
    picture. Without `has_points`, duplicates that only keypoints show are missed."""

    def __init__(self, seen: Callable[[Any], Seen | None], *, has_points: bool) -> None:
        self._seen, self._has_points = seen, has_points
        self._misses: Counter[Hashable] = Counter()

    def looked_at(self, candidates: Iterable[Candidate]) -> Iterator[Any]:
        """Yield the pictures that judging these will certainly need, with repetitions."""
        tried = self._misses.copy()
        for one in candidates:
            is_near = self._is_near(one, tried)
            if is_near or is_same_by_hash(one.bits):
                yield from (one.image, one.other)
            tried[one.image] += is_near

    def judged(self, one: Candidate) -> Verdict | None:
        """Return the verdict; None if two pictures are unrelated."""
        is_alike, is_near = is_same_by_hash(one.bits), self._is_near(one, self._misses)
        if is_alike or is_near:
            matching = self._match(one, is_alike)
            if matching.is_same:
                return Verdict(True, matching.points)
            self._misses[one.image] += is_near
        return Verdict(False) if is_burst(one.similarity, *one.taken) else None

    def _is_near(self, one: Candidate, misses: Counter[Hashable]) -> bool:
        return self._has_points and misses[one.image] < MOST_MISSES and may_be_same(one.bits, one.similarity)

    def _match(self, one: Candidate, is_alike: bool) -> Match:
        first, second = self._seen(one.image), self._seen(one.other)
        if not (first and second):
            return Match(0, is_alike)
        # Hashes ignore small details, such as a person who moved between two shots.
        matching = match(first.points, second.points) if first.points and second.points else _UNKNOWN
        if matching.is_same is None and is_alike:
            return matching._replace(is_same=cells_match(cell_means(first.small), cell_means(second.small)))
        return matching
