"""Re-ranking: order candidates by distance, full text and negative parts, and assign each to its relevance band."""

import datetime as dt
import statistics
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from search.relevance.band_thresholds import Band
from search.retrieval.query_vector import Direction, QueryVector

RECIPROCAL_RANK_K = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""
PENALTY = 2.0
"""Penalty: spreads of similarity lost for each spread that a candidate is nearer to a negative part than unrelated
pictures are. With 1, a perfect match of both would still be among the first."""
FRESH_FOR = dt.timedelta(days=30)
FRESH_LIFT = 1.0
"""Spreads by which `sort=fresh` lifts a picture added now; falls to 0 at thirty days."""
UNMEASURED_SPREAD = 0.03
"""Assumed spread of unrelated pictures while the collection is too small for calibration."""

_ORDER = {Band.STRONG: 0, Band.RELATED: 1, Band.WEAK: 2, None: 2}


@dataclass(slots=True)
class Candidate:
    """A row that may be shown. `date` is when it was added, or taken, depending on the sort order, in Unix seconds;
    infinite if unknown.

    `similarity` is to the query vector, None without one. `text_rank` is the full-text rank, None if the words don't
    match; `whole` says whether they match as whole words, `exactness` how exactly they are the title. `unwanted` has
    the similarity to each negative part.
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
    """The similarity to a negative part from which rows are penalised, and the penalty per unit beyond it."""

    start: float
    slope: float

    def loss(self, similarity: float) -> float:
        return max(0.0, similarity - self.start) * self.slope


class Judge:
    """Judges rows for a search: the penalty for negative parts, and the band."""

    def __init__(self, candidates: Sequence[Candidate], query_vector: QueryVector) -> None:
        self.scale = query_vector.towards.scale if query_vector.towards else None
        self.spread = self.scale.spread if self.scale else UNMEASURED_SPREAD
        self.dislikes = [
            _dislike(direction, [one.unwanted[number] for one in candidates])
            for number, direction in enumerate(query_vector.away)
        ]

    def loss(self, one: Candidate) -> float:
        """Return the penalty in spreads of similarity."""
        return sum(dislike.loss(near) for dislike, near in zip(self.dislikes, one.unwanted, strict=True))

    def decide(self, one: Candidate) -> float:
        """Set the band of a row; return its similarity after the penalty.

        A row that contains all words is strong, one that contains them as prefixes at least related, whatever its
        similarity.
        """
        loss = self.loss(one) if self.dislikes else 0.0
        near = (one.similarity or 0.0) - loss * self.spread
        one.band = self.scale.band(near) if self.scale and one.similarity is not None else None
        if one.text_rank is not None and not loss:
            one.band = band_by_words(one.band, whole=one.whole)
        return near


def band_by_words(band: Band | None, *, whole: bool) -> Band:
    """Return the band of a row that contains the words, whole or as prefixes; `band` is that of its similarity."""
    return Band.STRONG if whole or band is Band.STRONG else Band.RELATED


def ranked(
    candidates: Sequence[Candidate],
    query_vector: QueryVector,
    *,
    fresh_at: dt.datetime | None = None,
    oldest_first: bool = False,
) -> list[Candidate]:
    """Return `candidates` with their bands, best first: by band, exact titles, fused rank and similarity; ties by
    date, newest first unless `oldest_first`, then by id.

    With `fresh_at`, the time of the search, recent pictures are lifted within their band.
    """
    judge = Judge(candidates, query_vector)
    # Ids are not used as keys: hashing hundreds of UUIDs takes longer than the rest of the sort.
    worth = [(judge.decide(one), one) for one in candidates]
    if fresh_at is not None:
        worth = [(near + _freshness(one, fresh_at) * judge.spread, one) for near, one in worth]
    by_date = 1 if oldest_first else -1
    worth.sort(key=lambda pair: (-pair[0], by_date * pair[1].date, pair[1].id))
    by_worth = [one for _worth, one in worth]
    # Stable sort: ties keep the order by worth.
    if not any(one.text_rank is not None for one in candidates):
        # No similarity is in a better band than a higher one.
        return sorted(by_worth, key=lambda one: _ORDER[one.band]) if fresh_at else by_worth
    fused = _fused(by_worth)
    return sorted(by_worth, key=lambda one: (_ORDER[one.band], -one.exactness, -fused.get(one.id, 0.0)))


def _fused(by_worth: Sequence[Candidate]) -> dict[uuid.UUID, float]:
    """Return the reciprocal rank fusion of the orders by similarity and by full text."""
    holding = [one for one in by_worth if one.by_words]
    by_words = sorted(holding, key=lambda one: (-one.exactness, not one.whole, -(one.text_rank or 0.0)))
    by_meaning = [one for one in by_worth if one.similarity is not None]
    scores: dict[uuid.UUID, float] = {}
    for order in (by_meaning, by_words):
        for place, one in enumerate(order, start=1):
            scores[one.id] = scores.get(one.id, 0.0) + 1 / (RECIPROCAL_RANK_K + place)
    return scores


def _dislike(direction: Direction, near: Sequence[float]) -> Dislike:
    """`near` are the candidates' similarities: without a calibration their median stands for unrelated pictures."""
    if direction.scale:
        return Dislike(direction.scale.related, PENALTY * direction.weight / direction.scale.spread)
    usual = statistics.median(near) if near else 0.0
    return Dislike(usual + UNMEASURED_SPREAD, PENALTY * direction.weight / UNMEASURED_SPREAD)


def _freshness(one: Candidate, now: dt.datetime) -> float:
    return FRESH_LIFT * min(1.0, max(0.0, 1 - (now.timestamp() - one.date) / FRESH_FOR.total_seconds()))
