"""From the scores of many queries to the levels that tell a match from the rest."""

from collections.abc import Sequence

import numpy as np

from search.models.vector_values import Vector, Vectors
from search.relevance.bands import Levels, Yardstick, best_of_pictures, centre_and_spread, highest_of

MATCHED = 0.99
"""The quantile of the bank's best scores that stands for a match: of so many everyday things a few at least are in any
collection."""
WAY_TO_A_MATCH = 0.6
"""Where the strong begin on the way from what the best unrelated picture usually scores to a match: beyond the middle,
since a false promise is worse than a modest one. With the labelled worlds of `manage.py evaluate_relevance`, 0.57
lets too much through among 500 photos, and 0.62 misses too many among 1,000."""
NOT_THERE = 0.95
"""The share of pictures that must find no other picture strong; a little more than is promised."""
SAME_PICTURE = 0.97
"""Pictures that are nearer to each other than this are copies of one another."""
SAME_TO_THE_MODEL = 0.95
"""Texts that are nearer to each other than this say the same to the model: those in a language that it can't read."""


def measure(
    sample: Vectors, size: int, bank: Vectors, best: Vector, neighbours: Vector, windows_of: Sequence[int] = ()
) -> Yardstick:
    """Return what a collection of `size` pictures is measured by.

    `sample` are vectors of some of its pictures, `bank` those of generic texts, and `best` is what the nearest picture
    to each of these scores; `neighbours` is what some pictures score with the nearest other one that is no copy, and
    has no number where there are copies alone.
    """
    words = _words(best_of_pictures(bank @ sample.T, windows_of), size, best)
    return Yardstick(sample, size, words, picture_levels(neighbours), tuple(windows_of))


def _words(scores: Vectors, size: int, best: Vector) -> Levels:
    centre, spread = centre_and_spread(scores)
    # In a large collection most of the bank is there. A best score beyond what the best of so many normal scores
    # usually reaches is no unrelated picture's, and must not raise what these are said to score.
    unrelated = np.minimum(best, centre + spread * highest_of(size, 0.5))
    usual = float(np.median(unrelated))
    matched = max(usual, float(np.quantile(best, MATCHED)))
    return Levels(usual, usual + WAY_TO_A_MATCH * (matched - usual))


def picture_levels(neighbours: Vector) -> Levels:
    """Return the levels of a query by pictures from what some score with the nearest other one that is no copy."""
    match = float(np.quantile(neighbours, NOT_THERE)) if len(neighbours) else SAME_PICTURE
    return Levels(match, match)


def nearest_other(scores: Vector) -> float | None:
    """Return the best of `scores`, of one picture with all, that is no copy's; None if all are copies'."""
    others = scores[scores < SAME_PICTURE]
    return float(others.max()) if len(others) else None


def different(vectors: Vectors) -> Vectors:
    """Return those of `vectors` that differ from each other, the first of each kind."""
    kept: list[int] = []
    for number, vector in enumerate(vectors):
        if not kept or float((vectors[kept] @ vector).max()) < SAME_TO_THE_MODEL:
            kept.append(number)
    return vectors[kept]
