"""Vectors distributed like CLIP's: pictures in clusters in one half of the sphere, texts outside it."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

DIMENSIONS = 512
"""Of the default models."""
KINDS = 500
"""Clusters."""

Vectors = npt.NDArray[np.float32]
_BATCH = 10_000


def picture_like(count: int, seed: int) -> Iterator[Vectors]:
    """Yield `count` unit vectors in batches: in one half of the sphere, around the centres of KINDS clusters."""
    return _around_kinds(count, seed, on_their_side=0.7, apart=0.5)


def word_like(count: int, seed: int) -> Iterator[Vectors]:
    """Yield `count` unit vectors of queries: towards a cluster of pictures, but outside their half of the sphere."""
    return _around_kinds(count, seed, on_their_side=0.3, apart=0.9)


def _around_kinds(count: int, seed: int, *, on_their_side: float, apart: float) -> Iterator[Vectors]:
    rng = np.random.default_rng(seed)
    side = on_their_side * _directions(np.random.default_rng(0), 1)
    centres = 0.5 * _directions(np.random.default_rng(1), KINDS)
    for start in range(0, count, _BATCH):
        number = min(_BATCH, count - start)
        vectors = side + centres[rng.integers(KINDS, size=number)] + np.float32(apart) * _directions(rng, number)
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _directions(rng: np.random.Generator, count: int) -> Vectors:
    vectors = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
