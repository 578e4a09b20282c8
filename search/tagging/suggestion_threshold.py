"""The similarity from which a tag is suggested, from the calibration and people's decisions.

A phrase is a text query, so by default a tag is suggested where the query's strong matches begin: beyond what the best
of all unrelated pictures hardly ever reaches (`search.relevance.band_thresholds`). With z, the similarity above that
point in spreads of unrelated pictures, the probability that a suggestion is right is a logistic function of z.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

from search.models.vector_values import Vector
from search.relevance.band_thresholds import Scale

RIGHT = 0.75
"""Assumed probability that a suggestion at the threshold is right, before any decisions."""
SLOPE = 1.0
"""Assumed increase of the log-odds of being right with each spread."""
SURE_OF_RIGHT, SURE_OF_SLOPE = 0.5, 0.25
"""Standard deviations of these two priors: one slip has little effect, some tens of decisions outweigh them."""
FLATTEST = 0.25
HIGHEST = 8.0
"""Maximum threshold, in spreads above strong: a tag that was always rejected is hardly suggested any more."""
_STEPS = 25


@dataclass(frozen=True, slots=True)
class Measure:
    """A tag's calibration: where strong and related matches begin, and the spread of unrelated pictures."""

    strong: float
    related: float
    spread: float

    @classmethod
    def of(cls, scale: Scale) -> "Measure":
        return cls(scale.strong, scale.related, scale.spread)

    def strength(self, similarity: float) -> float:
        """Return a similarity in spreads above the strong threshold."""
        return (similarity - self.strong) / self.spread


def threshold(measure: Measure, accepted: Sequence[float], rejected: Sequence[float]) -> float:
    """Return the similarity from which a tag is suggested, given the similarities of pictures for which it was
    accepted and rejected.

    The log-odds that a suggestion is right are a + b z. Both are maximum a posteriori estimates, with normal priors
    around log(RIGHT / (1 - RIGHT)) and SLOPE: logistic regression with a Gaussian prior, by Newton's method (Bishop,
    Pattern Recognition and Machine Learning, 2006, sections 4.3.3 and 4.5.1). The threshold is where the probability
    is RIGHT: without decisions, where strong matches begin; never below the related ones.
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
        # Long steps are shortened: far from the optimum, Newton's method can diverge.
        found = found + step / max(1.0, float(np.abs(step).max()))
        if float(np.abs(step).max()) < 1e-6:
            break
    return float(found[0]), float(found[1])
