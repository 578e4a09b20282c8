"""The order of the candidates: what the database found nearest or by its words, weighed against all that was asked."""

import datetime as dt
import statistics
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from search.relevance.bands import Band
from search.retrieval.query_vector import Direction, QueryVector

RECIPROCAL_RANK_K = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""
PENALTY = 2.0
"""Spreads of the wanted similarity that a candidate loses for each spread by which it is nearer to what is unwanted
than unrelated pictures are: with one for one, a perfect match of both would still stand among the first."""
FRESH_FOR = dt.timedelta(days=30)
FRESH_LIFT = 1.0
"""Spreads by which `sort=fresh` lifts a picture of this moment; one of thirty days ago not at all."""
UNMEASURED_SPREAD = 0.03
"""The spread that is taken for unrelated pictures while the collection is too small to be measured."""

_ORDER = {Band.STRONG: 0, Band.RELATED: 1, Band.WEAK: 2, None: 2}


@dataclass(slots=True)
class Candidate:
    """A row that may be shown. `date` is what the search sorts by if it sorts by a date: when it was added, in Unix
    seconds, or taken; infinite where nobody knows.

    `similarity` is to what is wanted; None where nothing but words was asked. `text_rank` tells how well its words
    match, None where they don't; `whole` whether they do so as whole words, `exactness` whether they are its title.
    `unwanted` holds its similarity to each unwanted part.
    """

    id: uuid.UUID
    date: float
    similarity: float | None = None
    text_rank: float | None = None
    whole: bool = False
    exactness: int = 0
    unwanted: tuple[float, ...] = ()
    band: Band | None = None

    @property
    def by_words(self) -> bool:
        return self.text_rank is not None


@dataclass(frozen=True, slots=True)
class Dislike:
    """From which similarity to an unwanted part rows lose by it, and how much for each further unit of it."""

    start: float
    slope: float

    def loss(self, similarity: float) -> float:
        return max(0.0, similarity - self.start) * self.slope


class Judge:
    """What a search makes of a row: how much it loses for being near to what is unwanted, and its band."""

    def __init__(self, candidates: Sequence[Candidate], query_vector: QueryVector) -> None:
        self.scale = query_vector.towards.scale if query_vector.towards else None
        self.spread = self.scale.spread if self.scale else UNMEASURED_SPREAD
        self.dislikes = [
            _dislike(direction, [one.unwanted[number] for one in candidates])
            for number, direction in enumerate(query_vector.away)
        ]

    def loss(self, one: Candidate) -> float:
        """Return how many spreads of the wanted similarity it loses."""
        if not self.dislikes:
            return 0.0
        return sum(dislike.loss(near) for dislike, near in zip(self.dislikes, one.unwanted, strict=True))

    def decide(self, one: Candidate) -> float:
        """Set the band of a row; return its similarity less what it loses.

        One that holds all words is strong, one that holds their beginnings related at least, whatever it looks like.
        """
        loss = self.loss(one)
        near = (one.similarity or 0.0) - loss * self.spread
        one.band = self.scale.band(near) if self.scale and one.similarity is not None else None
        if one.by_words and not loss:
            one.band = band_by_words(one.band, whole=one.whole)
        return near


def band_by_words(band: Band | None, *, whole: bool) -> Band:
    """Return the band of a row that holds the words, whole or their beginnings; `band` tells how it looks."""
    return Band.STRONG if whole or band is Band.STRONG else Band.RELATED


def ranked(
    candidates: Sequence[Candidate],
    query_vector: QueryVector,
    *,
    fresh_at: dt.datetime | None = None,
    oldest_first: bool = False,
) -> list[Candidate]:
    """Return `candidates` best first, each with its band: first by band, in it titles that are what was written, then
    by fused rank, then by similarity, and where nothing of this decides, the last added first, or the `oldest_first`.

    With `fresh_at`, the moment of the search, recent ones are lifted within their band.
    """
    judge = Judge(candidates, query_vector)
    # Without the ids as keys: to hash hundreds of UUIDs takes longer than to sort by all else.
    worth = [(judge.decide(one) + _freshness(one, fresh_at) * judge.spread, one) for one in candidates]
    by_date = 1 if oldest_first else -1
    worth.sort(key=lambda pair: (-pair[0], by_date * pair[1].date, pair[1].id))
    by_worth = [one for _worth, one in worth]
    # Sorting is stable: where nothing of this decides, the order by worth stays.
    if not any(one.by_words for one in candidates):
        return sorted(by_worth, key=lambda one: (_ORDER[one.band], -one.exactness))
    fused = _fused(by_worth)
    return sorted(by_worth, key=lambda one: (_ORDER[one.band], -one.exactness, -fused.get(one.id, 0.0)))


def _fused(by_worth: Sequence[Candidate]) -> dict[uuid.UUID, float]:
    """Reciprocal rank fusion of the order by meaning and the order by words."""
    holding = [one for one in by_worth if one.by_words]
    by_words = sorted(holding, key=lambda one: (-one.exactness, not one.whole, -(one.text_rank or 0.0)))
    by_meaning = [one for one in by_worth if one.similarity is not None]
    scores: dict[uuid.UUID, float] = {}
    for order in (by_meaning, by_words):
        for place, one in enumerate(order, start=1):
            scores[one.id] = scores.get(one.id, 0.0) + 1 / (RECIPROCAL_RANK_K + place)
    return scores


def _dislike(direction: Direction, near: Sequence[float]) -> Dislike:
    """`near` is what the candidates score: where nothing is measured, most of them stand for unrelated pictures."""
    if direction.scale:
        return Dislike(direction.scale.related, PENALTY * direction.weight / direction.scale.spread)
    usual = statistics.median(near) if near else 0.0
    return Dislike(usual + UNMEASURED_SPREAD, PENALTY * direction.weight / UNMEASURED_SPREAD)


def _freshness(one: Candidate, now: dt.datetime | None) -> float:
    if now is None:
        return 0.0
    return FRESH_LIFT * min(1.0, max(0.0, 1 - (now.timestamp() - one.date) / FRESH_FOR.total_seconds()))
