"""The order of the candidates: what the database found nearest or by its words, weighed against all that was asked."""

import datetime as dt
import statistics
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from search.querying.aiming import Aim, Direction
from search.querying.relevance import Band

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
    """A row that may be shown. `added` is when it came in, in Unix seconds.

    `similarity` is to what is wanted; None where nothing but words was asked. `text_rank` tells how well its words
    match, None where they don't; `whole` whether they do so as whole words. `unwanted` holds its similarity to each
    unwanted part.
    """

    id: uuid.UUID
    added: float
    similarity: float | None = None
    text_rank: float | None = None
    whole: bool = False
    unwanted: tuple[float, ...] = ()
    band: Band | None = None

    @property
    def by_words(self) -> bool:
        return self.text_rank is not None


def ranked(candidates: Sequence[Candidate], aim: Aim, *, fresh_at: dt.datetime | None = None) -> list[Candidate]:
    """Return `candidates` best first, each with its band: first by band, then by fused rank, then by similarity.

    A result that holds all words is strong, one that holds their beginnings related at least, whatever it looks like.
    With `fresh_at`, the moment of the search, recent ones are lifted within their band.
    """
    scale = aim.towards.scale if aim.towards else None
    spread = scale.spread if scale else UNMEASURED_SPREAD
    losses = _losses(candidates, aim.away)
    worth = {}
    for one, loss in zip(candidates, losses, strict=True):
        near = (one.similarity or 0.0) - loss * spread
        one.band = scale.band(near) if scale and one.similarity is not None else None
        if one.by_words and not loss:
            one.band = band_by_words(one.band, whole=one.whole)
        worth[one.id] = near + _freshness(one, fresh_at) * spread
    by_worth = sorted(candidates, key=lambda one: (-worth[one.id], -one.added, one.id))
    fused = _fused(by_worth) if any(one.by_words for one in candidates) else {}
    # Sorting is stable: where neither band nor fused rank decides, the order by worth stays.
    return sorted(by_worth, key=lambda one: (_ORDER[one.band], -fused.get(one.id, 0.0)))


def band_by_words(band: Band | None, *, whole: bool) -> Band:
    """Return the band of a row that holds the words, whole or their beginnings; `band` tells how it looks."""
    return Band.STRONG if whole or band is Band.STRONG else Band.RELATED


def _fused(by_worth: Sequence[Candidate]) -> dict[uuid.UUID, float]:
    """Reciprocal rank fusion of the order by meaning and the order by words."""
    by_words = sorted((one for one in by_worth if one.text_rank is not None), key=lambda one: -(one.text_rank or 0))
    by_meaning = [one for one in by_worth if one.similarity is not None]
    scores: dict[uuid.UUID, float] = {}
    for order in (by_meaning, by_words):
        for place, one in enumerate(order, start=1):
            scores[one.id] = scores.get(one.id, 0.0) + 1 / (RECIPROCAL_RANK_K + place)
    return scores


def _losses(candidates: Sequence[Candidate], away: Sequence[Direction]) -> list[float]:
    """How many spreads each candidate loses for being near to what is unwanted."""
    losses = [0.0] * len(candidates)
    for number, direction in enumerate(away):
        near = [one.unwanted[number] for one in candidates]
        if direction.scale:
            excesses = [direction.scale.excess(similarity) for similarity in near]
        else:
            # Not measured: what most candidates score stands for what unrelated pictures do.
            usual = statistics.median(near) if near else 0.0
            excesses = [max(0.0, (similarity - usual) / UNMEASURED_SPREAD - 1) for similarity in near]
        losses = [loss + PENALTY * direction.weight * excess for loss, excess in zip(losses, excesses, strict=True)]
    return losses


def _freshness(one: Candidate, now: dt.datetime | None) -> float:
    if now is None:
        return 0.0
    return FRESH_LIFT * min(1.0, max(0.0, 1 - (now.timestamp() - one.added) / FRESH_FOR.total_seconds()))
