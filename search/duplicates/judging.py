"""Whether two pictures are the same, or similar shots, by all that is known of them."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

from search.duplicates.acceptance import LIKE_ENOUGH, MOST_MISSES, is_burst, is_same_by_hash
from search.duplicates.hashing import bits_apart
from search.duplicates.points import Match, Points, match

_UNKNOWN = Match(0, None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture beside one that may be the same, by whatever they are called; `similarity` is None where only the
    hashes are alike."""

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


class Verdict(NamedTuple):
    """`is_same` is False for similar shots."""

    is_same: bool
    points: int = 0


class Judge:
    """Judges candidates, of each picture the nearest first. Without `points_of`, what only points tell is missed."""

    def __init__(self, points_of: Callable[[Any], Points | None] | None) -> None:
        self._points_of = points_of
        self._misses: Counter[Hashable] = Counter()

    def judged(self, one: Candidate) -> Verdict | None:
        """Return None where two pictures have nothing to do with each other."""
        is_alike = is_same_by_hash(one.bits)
        is_near = (
            one.similarity is not None and one.similarity >= LIKE_ENOUGH and self._misses[one.image] < MOST_MISSES
        )
        matching = self._match(one) if is_alike or is_near else _UNKNOWN
        # Hashes know nothing of what is small, as who has moved between two shots.
        if matching.is_same or (is_alike and matching.is_same is None):
            return Verdict(True, matching.points)
        self._misses[one.image] += is_near
        return Verdict(False) if is_burst(one.similarity, *one.taken) else None

    def _match(self, one: Candidate) -> Match:
        if self._points_of is None:
            return _UNKNOWN
        first, second = self._points_of(one.image), self._points_of(one.other)
        return match(first, second) if first and second else _UNKNOWN
