"""From which similarity on a tag is suggested: from what the collection scores, and from what people said of it.

A phrase is a query by words, so a tag begins where the calibration says that a query's strong matches begin: beyond
what the best of so many unrelated pictures hardly ever reaches (`search.relevance.bands`). With z, the similarity
measured from there in spreads of the unrelated ones, the share of right suggestions is a logistic function of z.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

from search.models.vector_values import Vector
from search.relevance.bands import Scale

RIGHT = 0.75
"""The share of suggestions right at the threshold that are taken to be right, as long as nobody has said more."""
SLOPE = 1.0
"""By how much the log-odds of being right are taken to grow with each spread."""
SURE_OF_RIGHT, SURE_OF_SLOPE = 0.5, 0.25
"""Standard deviations of the two: one slip moves little, and some tens of decisions outweigh them."""
FLATTEST = 0.25
HIGHEST = 8.0
"""Spreads beyond the strong: what was always rejected is suggested for next to nothing."""
_STEPS = 25


@dataclass(frozen=True, slots=True)
class Measure:
    """What unrelated pictures say of a tag: where the strong and the related begin, and their spread."""

    strong: float
    related: float
    spread: float

    @classmethod
    def of(cls, scale: Scale) -> "Measure":
        return cls(scale.strong, scale.related, scale.spread)

    def strength(self, similarity: float) -> float:
        """Return how far a similarity stands out: spreads beyond where the strong begin."""
        return (similarity - self.strong) / self.spread


def threshold(measure: Measure, accepted: Sequence[float], rejected: Sequence[float]) -> float:
    """Return the similarity from which on a tag is suggested, given the similarities of pictures for which people have
    accepted and rejected it.

    The log-odds that a suggestion is right are a + b z. Both numbers are those most likely after the decisions, from a
    normal distribution around log(RIGHT / (1 - RIGHT)) and SLOPE before them: logistic regression with a Gaussian
    prior, by Newton's method (Bishop, Pattern Recognition and Machine Learning, 2006, sections 4.3.3 and 4.5.1). The
    threshold is where RIGHT of them are right: without decisions, where the strong begin; never below the related.
    """
    if not len(accepted) and not len(rejected):
        return measure.strong
    z = np.array([measure.strength(one) for one in (*accepted, *rejected)])
    is_right = np.concatenate([np.ones(len(accepted)), np.zeros(len(rejected))])
    a, b = _most_likely(np.clip(z, -HIGHEST, HIGHEST), is_right)
    where = (_log_odds(RIGHT) - a) / max(b, FLATTEST)
    return max(measure.related, measure.strong + measure.spread * min(where, HIGHEST))


def _log_odds(share: float) -> float:
    return log(share / (1 - share))


def _most_likely(z: Vector | npt.NDArray[np.float64], is_right: npt.NDArray[np.float64]) -> tuple[float, float]:
    rows = np.stack([np.ones_like(z), z], axis=1)
    before = np.array([_log_odds(RIGHT), SLOPE])
    certainty = np.diag([SURE_OF_RIGHT**-2, SURE_OF_SLOPE**-2])
    found = before.copy()
    for _ in range(_STEPS):
        share = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        slope = rows.T @ (is_right - share) - certainty @ (found - before)
        bend = (rows * (share * (1 - share))[:, None]).T @ rows + certainty
        step = np.linalg.solve(bend, slope)
        # Halved where it is long: far from the best place, Newton's steps can go astray.
        found = found + step / max(1.0, float(np.abs(step).max()))
        if float(np.abs(step).max()) < 1e-6:
            break
    return float(found[0]), float(found[1])
