"""Derive the thresholds of matches from the scores of many queries."""

from collections.abc import Sequence

import numpy as np

from search.models.vector_values import Vector, Vectors
from search.relevance.band_thresholds import (
    LoadedCalibration,
    Thresholds,
    best_of_pictures,
    centre_and_spread,
    highest_of,
)

MATCHED = 0.99
"""Quantile of the bank's best scores that represents a match: of so many everyday things, some are in any
collection."""
WAY_TO_A_MATCH = 0.6
"""Position of the strong threshold between the usual best score of unrelated pictures and a match: beyond the middle,
since a false positive is worse than a false negative. On the labelled worlds of `manage.py evaluate_relevance`, 0.57
lets too much through among 500 photos, and 0.62 misses too many among 1,000."""
NOT_THERE = 0.95
"""Share of pictures that must find no other picture strong; slightly more than is promised."""
SAME_PICTURE = 0.97
"""Pictures more similar than this are copies of one another."""
SAME_TO_THE_MODEL = 0.95
"""Texts more similar than this are the same to the model, as those in a language that it can't read."""
NOT_UNDERSTOOD, MOST_ALIKE = 0.99, 3
"""A text with this many other texts as similar as that is not understood by the model."""


def measure(
    sample: Vectors, size: int, bank: Vectors, best: Vector, neighbours: Vector, windows_of: Sequence[int] = ()
) -> LoadedCalibration:
    """Return the calibration of a collection of `size` pictures.

    `sample` are vectors of some of its pictures, `bank` those of generic texts, and `best` the score of each of these
    with its nearest picture. `neighbours` are the scores of some pictures with their nearest neighbour that is no
    copy; pictures with copies only are missing.
    """
    words = _words(best_of_pictures(bank @ sample.T, windows_of), size, best)
    return LoadedCalibration(sample, size, words, picture_thresholds(neighbours), tuple(windows_of))


def _words(scores: Vectors, size: int, best: Vector) -> Thresholds:
    centre, spread = centre_and_spread(scores)
    # In a large collection most of the bank has matches. A best score beyond the usual maximum of that many normal
    # scores is no unrelated picture's and must not raise their level.
    unrelated = np.minimum(best, centre + spread * highest_of(size, 0.5))
    usual = float(np.median(unrelated))
    matched = max(usual, float(np.quantile(best, MATCHED)))
    return Thresholds(usual, usual + WAY_TO_A_MATCH * (matched - usual))


def picture_thresholds(neighbours: Vector) -> Thresholds:
    """Return the thresholds of picture queries from the scores of pictures with their nearest neighbour that is no
    copy."""
    match = float(np.quantile(neighbours, NOT_THERE)) if len(neighbours) else SAME_PICTURE
    return Thresholds(match, match)


def nearest_other(scores: Vector) -> float | None:
    """Return the best of a picture's `scores` that is not a copy's; None if all are."""
    others = scores[scores < SAME_PICTURE]
    return float(others.max()) if len(others) else None


def different(vectors: Vectors) -> Vectors:
    """Return `vectors` without near-duplicates, keeping the first of each group."""
    kept: list[int] = []
    for number, vector in enumerate(vectors):
        if not kept or float((vectors[kept] @ vector).max()) < SAME_TO_THE_MODEL:
            kept.append(number)
    return vectors[kept]


def understood(texts: Sequence[str], vectors: Vectors) -> list[bool]:
    """Return which texts the model understands: it gives nearly the same vector for all that it does not."""
    folded = np.array([text.casefold() for text in texts])
    alike = (vectors @ vectors.T >= NOT_UNDERSTOOD) & (folded[:, None] != folded)
    found: list[bool] = (alike.sum(axis=1) < MOST_ALIKE).tolist()
    return found
