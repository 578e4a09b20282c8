"""How good a similarity is, told against what the pictures of this very collection score.

No constant fits: unrelated words and pictures lie near 0.18 with CLIP, near 0 with SigLIP and below 0 with the demo's
model. `search.model_comparison` measures the levels; here they meet the query at hand.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from django.core.cache import cache
from django.db.models import QuerySet

from search.embedding import active_model, active_pair, text_model
from search.models import Calibration
from search.models.vector_values import Vector, Vectors

FALSE_ALARMS = 0.02
"""How often the best of all unrelated pictures may seem strong by chance; scores are not quite normal, and more come
with those that reach the level of matches."""
NARROWEST = 0.002
"""Vectors are kept in half precision: spreads below this are rounding."""
RELATED_FROM = 0.75
"""Where the related begin, on the way from what unrelated pictures score to where the strong begin."""
LOOKED_AFTER = 5
"""Seconds after which a process looks whether another one has calibrated anew."""


class Band(StrEnum):
    STRONG = "strong"
    RELATED = "related"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Scale:
    """What unrelated pictures of the collection score for one query, and the similarities where its bands begin."""

    mean: float
    spread: float
    strong: float
    related: float

    def band(self, similarity: float) -> Band:
        return Band.STRONG if similarity >= self.strong else Band.RELATED if similarity >= self.related else Band.WEAK


@dataclass(frozen=True, slots=True)
class Levels:
    """Below `least` nothing is strong, from `match` on everything is; between, it depends on the query."""

    least: float
    match: float

    def towards(self, other: "Levels", share: float) -> "Levels":
        """Return the levels of a query that is to `share` of the other kind."""
        return Levels(self.least + share * (other.least - self.least), self.match + share * (other.match - self.match))


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A calibration ready for use: a sample of the collection, shape (count, 512), the collection's size, levels."""

    sample: Vectors
    size: int
    words: Levels
    pictures: Levels
    windows_of: tuple[int, ...] = ()

    def scale(self, vector: Vector, *, pictures: float) -> Scale:
        """Return the scale of the query `vector`; `pictures` is the share of it that is pictures, 0 to 1.

        Strong is what reaches the level of matches, or what the best of so many unrelated pictures hardly ever
        reaches if their scores are normal: `size` draws stay below the quantile p^(1/size) with probability p (the
        distribution of the maximum; Gumbel, Statistics of Extremes, 1958). The second is for models with which each
        query has a level of its own, and counts only beyond what the best unrelated picture usually scores.
        """
        levels = self.words.towards(self.pictures, pictures)
        scores = best_of_pictures(self.sample @ vector, self.windows_of)
        mean, spread = (float(value) for value in centre_and_spread(scores))
        extreme = mean + spread * highest_of(self.size, 1 - FALSE_ALARMS)
        strong = max(levels.least, min(levels.match, extreme), mean + spread)
        return Scale(mean, spread, strong, related=mean + RELATED_FROM * (strong - mean))


def best_of_pictures(scores: Vectors, windows_of: Sequence[int]) -> Vectors:
    """Return the best score of each picture, along the last axis: those of whole pictures stand first, then those of
    windows, each of the picture whose number is in `windows_of`."""
    count = scores.shape[-1] - len(windows_of)
    best = scores[..., :count].copy()
    if windows_of:
        np.maximum.at(best.T, list(windows_of), scores[..., count:].T)
    return best


def centre_and_spread(scores: Vectors) -> tuple[Vector, Vector]:
    """Return the median along the last axis, and how far below it the standard deviation ends.

    Relevant pictures are among the sample too. They score high: the lower half tells of the unrelated ones alone.
    """
    low, centre = np.quantile(scores, [NormalDist().cdf(-1), 0.5], axis=-1)
    return centre, np.maximum(centre - low, NARROWEST)


def highest_of(count: int, chance: float) -> float:
    """Return what the highest of `count` standard normal numbers stays below with probability `chance`."""
    return NormalDist().inv_cdf(chance ** (1 / max(count, 1)))


def scale_of(vector: Vector, *, pictures: float, whole: bool = False) -> Scale | None:
    """Return the scale of a query, a unit vector of shape (512,); None while the collection isn't measured.

    `pictures` is the share of the query's weight that is pictures, from 0 to 1. With `whole` it looks for whole
    pictures alone, of which fewer score high by chance than where each has several windows.
    """
    model, key = active_model(), _cache_key()
    measured: datetime | str | None = cache.get(key)
    if measured is None:
        measured = measurements().values_list("measured", flat=True).first() or "never"
        cache.set(key, measured, LOOKED_AFTER)
    if isinstance(measured, str):
        return None
    yardsticks = _yardsticks(model, text_model(), measured)
    if yardsticks is None:
        look_again()
        return None
    return yardsticks[whole].scale(vector, pictures=pictures)


def measurements() -> "QuerySet[Calibration]":
    """Return the calibration of the active models, if there is one. Earlier versions noted the setting itself."""
    words_by = [text_model(), active_pair().text]
    return Calibration.objects.filter(model=active_model(), text_model__in=words_by)


def look_again() -> None:
    """Forget which calibration is the newest; the next search of this process asks the database."""
    cache.delete(_cache_key())


def _cache_key() -> str:
    # Names of models may hold what no key of a cache may.
    named = f"{active_model()}\n{text_model()}"
    return f"calibration:{hashlib.sha256(named.encode()).hexdigest()}"


@lru_cache(maxsize=4)
def _yardsticks(model: str, words_by: str, measured: datetime) -> tuple[Yardstick, Yardstick] | None:
    """Return that of all vectors, and that of whole pictures."""
    row = measurements().filter(measured=measured).first()
    if row is None:  # calibrated anew this very moment
        return None
    sample, words = row.sampled(), Levels(row.words_least, row.words_match)
    of_images = row.pictures_match if row.images_match is None else row.images_match
    return (
        Yardstick(sample, row.pictures, words, Levels(row.pictures_match, row.pictures_match), tuple(row.windows_of)),
        Yardstick(sample[: row.whole or None], row.pictures, words, Levels(of_images, of_images)),
    )
