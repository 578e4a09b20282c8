"""The acceptance test of faster backends: their vectors must agree numerically with those of float32."""

from dataclasses import dataclass

import numpy as np

from search.models.vector_values import Vectors

LEAST_COSINE = 0.999
LEAST_OVERLAP = 0.98
NEIGHBOURS = 10
ROUNDING = 2.0**-11
"""Half of the step between two half-precision numbers near 1. Vectors are stored in half precision, so two pictures
whose similarities differ by less are equally near there."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Numerical agreement. `cosine`: the mean between vectors of the same input. `overlap`: the fraction of the
    NEIGHBOURS nearest neighbours that is kept."""

    cosine: float
    overlap: float

    @property
    def is_enough(self) -> bool:
        return self.cosine >= LEAST_COSINE and self.overlap >= LEAST_OVERLAP

    def __str__(self) -> str:
        return f"mean cosine {self.cosine:.5f}, neighbours {self.overlap:.3f}"


def agreement(exact: Vectors, other: Vectors) -> Agreement:
    """Compare vectors of the same inputs, both of shape (count, dimensions); `exact` are those of float32.

    A neighbour by `other` counts as kept if it is one by `exact`, or as near as the last of these.
    """
    cosine = float((exact * other).sum(axis=1).mean())
    count = min(NEIGHBOURS, len(exact) - 1)
    if count < 1:
        return Agreement(cosine, 1.0)
    similarities = exact @ exact.T
    np.fill_diagonal(similarities, -np.inf)
    least = np.sort(similarities, axis=1)[:, -count] - ROUNDING
    changed = other @ other.T
    np.fill_diagonal(changed, -np.inf)
    nearest = np.argpartition(-changed, count - 1, axis=1)[:, :count]
    kept = np.take_along_axis(similarities, nearest, axis=1) >= least[:, None]
    return Agreement(cosine, float(kept.mean()))
