"""Relevance bands: a similarity judged against the scores of unrelated pictures in this collection.

No constant fits: unrelated texts and pictures score about 0.18 with CLIP, about 0 with SigLIP and less with the demo
model. `search.relevance.calibration` measures the thresholds; this module applies them to a query.
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
"""Probability that the best of all unrelated pictures seems strong by chance. In practice it is higher: scores are not
quite normal, and some exceed the match threshold."""
NARROWEST = 0.002
"""Minimum spread. Vectors are stored in half precision: smaller spreads are rounding."""
RELATED_FROM = 0.75
"""Start of the related band, as a fraction of the way from the mean of unrelated pictures to the strong threshold."""
RECHECKED_AFTER = 5
"""Seconds after which a process checks for a newer calibration."""


class Band(StrEnum):
    STRONG = "strong"
    RELATED = "related"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Scale:
    """What unrelated pictures score for one query, and the lower thresholds of its bands, as similarities."""

    mean: float
    spread: float
    strong: float
    related: float

    def band(self, similarity: float) -> Band:
        return Band.STRONG if similarity >= self.strong else Band.RELATED if similarity >= self.related else Band.WEAK


@dataclass(frozen=True, slots=True)
class Thresholds:
    """No similarity below `least` is strong, every one from `match` on is; between them the query decides."""

    least: float
    match: float

    def towards(self, other: "Thresholds", share: float) -> "Thresholds":
        """Interpolate: return the thresholds of a query of which a `share` is of the other kind."""
        return Thresholds(
            self.least + share * (other.least - self.least), self.match + share * (other.match - self.match)
        )


@dataclass(frozen=True, slots=True, eq=False)
class LoadedCalibration:
    """A loaded calibration: sample vectors, shape (count, 512), the size of the collection, and thresholds."""

    sample: Vectors
    size: int
    words: Thresholds
    pictures: Thresholds
    windows_of: tuple[int, ...] = ()

    def scale(self, vector: Vector, *, pictures: float) -> Scale:
        """Return the scale of the query `vector`; `pictures` is the share of pictures in it, 0 to 1.

        Strong is a similarity above the match threshold, or one that the best of `size` unrelated pictures hardly ever
        reaches if scores are normal: `size` draws stay below the quantile p^(1/size) with probability p (the
        distribution of the maximum; Gumbel, Statistics of Extremes, 1958). The latter is for models whose scores shift
        with each query, and has the usual best score of unrelated pictures as its lower bound.
        """
        levels = self.words.towards(self.pictures, pictures)
        scores = best_of_pictures(self.sample @ vector, self.windows_of)
        mean, spread = (float(value) for value in centre_and_spread(scores))
        extreme = mean + spread * highest_of(self.size, 1 - FALSE_ALARMS)
        strong = max(levels.least, min(levels.match, extreme), mean + spread)
        return Scale(mean, spread, strong, related=mean + RELATED_FROM * (strong - mean))


def best_of_pictures(scores: Vectors, windows_of: Sequence[int]) -> Vectors:
    """Return the best score of each picture along the last axis. Scores of whole pictures come first, then those of
    windows, each of the picture whose index is in `windows_of`."""
    count = scores.shape[-1] - len(windows_of)
    best = scores[..., :count].copy()
    if windows_of:
        np.maximum.at(best.T, list(windows_of), scores[..., count:].T)
    return best


def centre_and_spread(scores: Vectors) -> tuple[Vector, Vector]:
    """Return the median along the last axis, and the distance from it down to the quantile of -1 standard deviation.

    Only the lower half is used: relevant pictures in the sample score high.
    """
    low, centre = np.quantile(scores, [NormalDist().cdf(-1), 0.5], axis=-1)
    return centre, np.maximum(centre - low, NARROWEST)


def highest_of(count: int, chance: float) -> float:
    """Return the value below which the maximum of `count` standard normal numbers stays with probability `chance`."""
    return NormalDist().inv_cdf(chance ** (1 / max(count, 1)))


def scale_of(vector: Vector, *, pictures: float, whole: bool = False) -> Scale | None:
    """Return the scale of a query, a unit vector of shape (512,); None while the collection is not calibrated.

    `pictures` is the share of pictures in the query's weight, 0 to 1. With `whole` only vectors of whole pictures are
    searched, of which fewer score high by chance.
    """
    model, key = active_model(), _cache_key()
    measured: datetime | str | None = cache.get(key)
    if measured is None:
        measured = measurements().values_list("measured", flat=True).first() or "never"
        cache.set(key, measured, RECHECKED_AFTER)
    if isinstance(measured, str):
        return None
    loaded = _loaded(model, text_model(), measured)
    if loaded is None:
        look_again()
        return None
    return _scale(loaded[whole], np.asarray(vector, dtype=np.float32).tobytes(), pictures)


@lru_cache(maxsize=256)
def _scale(calibration: LoadedCalibration, vector: bytes, pictures: float) -> Scale:
    """Cached: each further page of a search needs it again, and it takes 0.4 ms."""
    return calibration.scale(np.frombuffer(vector, dtype=np.float32), pictures=pictures)


def measurements() -> "QuerySet[Calibration]":
    """Return the calibrations of the active models. Earlier versions stored the setting as the model's name."""
    words_by = [text_model(), active_pair().text]
    return Calibration.objects.filter(model=active_model(), text_model__in=words_by)


def look_again() -> None:
    """Drop the cached time of calibration; the next search in this process queries the database."""
    cache.delete(_cache_key())


def _cache_key() -> str:
    # Model names may contain characters that cache keys may not.
    named = f"{active_model()}\n{text_model()}"
    return f"calibration:{hashlib.sha256(named.encode()).hexdigest()}"


@lru_cache(maxsize=4)
def _loaded(model: str, words_by: str, measured: datetime) -> tuple[LoadedCalibration, LoadedCalibration] | None:
    """Return the calibration of all vectors, and that of whole pictures."""
    row = measurements().filter(measured=measured).first()
    if row is None:  # replaced by a newer calibration just now
        return None
    sample, words = row.sampled(), Thresholds(row.words_least, row.words_match)
    of_images = row.pictures_match if row.images_match is None else row.images_match
    return (
        LoadedCalibration(
            sample, row.pictures, words, Thresholds(row.pictures_match, row.pictures_match), tuple(row.windows_of)
        ),
        LoadedCalibration(sample[: row.whole or None], row.pictures, words, Thresholds(of_images, of_images)),
    )
