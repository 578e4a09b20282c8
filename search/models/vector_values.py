"""Vectors: unit length, float32; never NaN or zero in what is stored."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
"""Shape (count, dimensions), one unit vector a row."""
Vector: TypeAlias = npt.NDArray[np.float32]
"""Shape (dimensions,)."""


class WrongVectors(Exception):
    """A model returned something other than unit vectors of the expected shape."""


MOST_DIMENSIONS = 4_000
"""Maximum for vectors that pgvector indexes as `halfvec`."""


def unit_vectors(raw: npt.ArrayLike, *, count: int, dimensions: int | None = None) -> Vectors:
    """Return `raw` as float32 unit vectors of shape (count, dimensions).

    Without `dimensions`, for a model not known yet, 1 to MOST_DIMENSIONS are allowed. Raises WrongVectors for another
    shape, a NaN, an infinity or a vector without a direction.
    """
    try:
        given = np.asarray(raw)
    except ValueError as error:  # such as rows of different lengths
        raise WrongVectors(f"The model did not return an array: {error}") from error
    if given.dtype.kind not in "fiu":
        raise WrongVectors(f"The model returned vectors of {given.dtype}, which are not real numbers.")
    # Doubles, in which no norm overflows.
    vectors = given.astype(np.float64)
    if dimensions is None:
        dimensions = vectors.shape[-1] if vectors.ndim else 0
        if dimensions > MOST_DIMENSIONS:
            raise WrongVectors(
                f"The model returned vectors of {dimensions:,} dimensions; the maximum is {MOST_DIMENSIONS:,}."
            )
    if not dimensions or vectors.shape != (count, dimensions):
        raise WrongVectors(f"The model returned vectors of shape {vectors.shape}, not {(count, dimensions or 'any')}.")
    if not np.isfinite(vectors).all():
        raise WrongVectors("The model returned a vector with a NaN or an infinity.")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        raise WrongVectors("The model returned a zero vector.")
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit


def as_text(vector: Vector) -> str:
    """Return `vector` as pgvector's text, rounded to halves: five digits distinguish all of these."""
    return "[" + ",".join(["%.5g"] * len(vector)) % tuple(vector.astype(np.float16).tolist()) + "]"
