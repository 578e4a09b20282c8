"""From vectors to positions in a plane, by t-SNE."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from search.models.vector_values import Vectors

Positions: TypeAlias = npt.NDArray[np.float64]
"""Shape (count, 2): x to the right and y upwards, from -1 to 1."""
OnRound: TypeAlias = Callable[[int], bool]
"""Called with the number of iterations done; returns whether to stop."""

ROUNDS = (250, 500)
"""Iterations of early exaggeration, and of the main phase."""
_PERPLEXITY = 30
_FEWEST = 12
"""With fewer pictures there are no neighbourhoods: positions are the two principal components."""
_BY_GRID = 10_000
"""Number from which forces are interpolated on a grid (FFT), whose cost is nearly independent of the number."""
_EVERY = 10
_START = 1e-4
"""Initial spread, small so that points can move past each other."""


def is_there() -> bool:
    """Whether openTSNE is installed: `pip install -r requirements-map.txt`."""
    return find_spec("openTSNE") is not None


def positions_of(vectors: Vectors, on_round: OnRound, start: Positions | None = None) -> Positions | None:
    """Return the positions of pictures with these unit vectors; None if `on_round` stopped it.

    With `start`, their positions in another layout, the result resembles that one where neighbours are unchanged.
    """
    rng = np.random.default_rng(1)
    begin = _spread(vectors, rng) if start is None else start
    if len(vectors) < _FEWEST:
        return _in_frame(begin)
    scale = begin[:, 0].std() or 1.0
    # Jitter: equal pictures would stay at one position, and divide by a distance of zero.
    begin = begin / scale * _START + rng.normal(scale=_START / 100, size=begin.shape)
    found = _settled(vectors, begin, on_round)
    return None if found is None else _in_frame(found)


def _spread(vectors: Vectors, rng: "np.random.Generator") -> Positions:
    """Return the first two principal components of the vectors."""
    sample = vectors if len(vectors) <= _BY_GRID else vectors[rng.choice(len(vectors), _BY_GRID, replace=False)]
    middle = sample.mean(axis=0)
    directions = np.linalg.svd(sample - middle, full_matrices=False)[2][:2]
    # Fix the arbitrary sign, which may differ between machines.
    directions = directions * np.sign(directions.sum(axis=1, keepdims=True) + 1e-12)
    found = np.zeros((len(vectors), 2))
    found[:, : len(directions)] = (vectors - middle) @ directions.T
    return found


def _settled(vectors: Vectors, begin: Positions, on_round: OnRound) -> Positions | None:
    from openTSNE import TSNEEmbedding, affinity  # noqa: PLC0415 - imports for a second; only for building

    stopped = False
    done = 0

    def on_iteration(iteration: int, _error: float, _embedding: Any) -> bool:
        nonlocal stopped
        stopped = stopped or on_round(done + iteration)
        return stopped

    jobs = os.cpu_count() or 1
    near = affinity.PerplexityBasedNN(
        vectors,
        perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3),
        metric="euclidean",  # for unit vectors, same order as cosine
        n_jobs=jobs,
        random_state=1,
    )
    embedding = TSNEEmbedding(
        begin,
        near,
        negative_gradient_method="fft" if len(vectors) >= _BY_GRID else "bh",
        n_jobs=jobs,
        random_state=1,
        callbacks=on_iteration,
        callbacks_every_iters=_EVERY,
    )
    for rounds, options in zip(ROUNDS, ({"exaggeration": 12, "momentum": 0.5}, {"momentum": 0.8}), strict=True):
        if stopped or on_round(done):
            return None
        embedding.optimize(rounds, inplace=True, **options)
        done += rounds
    return None if stopped else np.asarray(embedding, dtype=np.float64)


def _in_frame(positions: Positions) -> Positions:
    middle = (positions.max(axis=0) + positions.min(axis=0)) / 2
    reach = np.abs(positions - middle).max(initial=0.0)
    framed: Positions = (positions - middle) / (reach or 1.0)
    return framed
