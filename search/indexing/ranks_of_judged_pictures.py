"""Exact ranks of judged pictures among all, independent of an index."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from search.models.vector_values import Vectors

Ints = npt.NDArray[np.int64]

_TIE = 1e-6
"""Similarities closer than this are equal, within single precision."""
_QUERIES = 1_000
"""Queries per batch: 40 MB with 10,000 vectors."""


@dataclass(frozen=True)
class Chunk:
    """Some of the pictures that are searched. The vectors of a picture, which may have several, are consecutive: those
    of `keys[n]` begin at row `starts[n]`."""

    keys: Sequence[Hashable]
    starts: Ints
    vectors: Vectors

    @classmethod
    def of(cls, vectors: Mapping[Any, Vectors]) -> Self:
        """Return a chunk of pictures with their vectors, each of shape (windows, dimensions)."""
        sizes = np.array([len(own) for own in vectors.values()], dtype=np.int64)
        return cls(list(vectors), np.cumsum(sizes) - sizes, np.concatenate(list(vectors.values())))


def ranks(
    pool: Iterable[Chunk],
    queries: Vectors,
    query: Ints,
    pictures: Sequence[Hashable],
    known: Mapping[Any, Vectors],
) -> Ints:
    """Return the ranks, from 1, of judged pictures among all of `pool`: picture `pictures[n]` for query `query[n]`.

    `known` has the vectors of these pictures. The nearest of a picture's vectors counts. Tied pictures have the middle
    ranks of the tie, so that a model to which all pictures are alike finds nothing. No two pictures of a query have
    the same rank, since then copies of a picture would count as if all were first.
    """
    scores = _scores(queries, query, pictures, known)
    above, equal = np.zeros(len(query), dtype=np.int64), np.zeros(len(query), dtype=np.int64)
    order = np.argsort(query, kind="stable")
    ends = np.searchsorted(query[order], np.arange(0, len(queries) + _QUERIES, _QUERIES))
    for chunk in pool:
        places = {key: number for number, key in enumerate(chunk.keys)}
        own = np.array([places.get(key, -1) for key in pictures], dtype=np.int64)
        for number, start in enumerate(range(0, len(queries), _QUERIES)):
            near = np.maximum.reduceat(queries[start : start + _QUERIES] @ chunk.vectors.T, chunk.starts, axis=1)
            for one in order[ends[number] : ends[number + 1]]:
                row, score = near[query[one] - start], scores[one]
                higher, alike = row > score + _TIE, np.abs(row - score) <= _TIE
                if own[one] >= 0:  # don't compare a picture with itself
                    higher[own[one]] = alike[own[one]] = False
                above[one] += np.count_nonzero(higher)
                equal[one] += np.count_nonzero(alike)
    place, tied = _places_in_ties(query, scores, pictures)
    found: Ints = 1 + above + np.maximum(1 + equal - tied, 0) // 2 + place
    return found


def _places_in_ties(query: Ints, scores: npt.NDArray[np.float32], pictures: Sequence[Hashable]) -> tuple[Ints, Ints]:
    """Return the place of each judged picture, from 0, among the judged ones of its query that are tied with it, and
    how many these are. The order in ties is that of the names, whatever the grades."""
    order = np.lexsort((scores, query))
    begins = np.diff(query[order], prepend=-1) != 0
    begins[1:] |= np.diff(scores[order]) > _TIE
    ties = np.empty(len(query), dtype=np.int64)
    ties[order] = np.cumsum(begins) - 1
    named = np.argsort(np.argsort(np.array([str(one) for one in pictures]), kind="stable"))
    sizes = np.bincount(ties)
    within = np.lexsort((named, ties))
    place = np.empty(len(query), dtype=np.int64)
    place[within] = np.arange(len(query)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place, sizes[ties]


def _scores(
    queries: Vectors, query: Ints, pictures: Sequence[Hashable], known: Mapping[Any, Vectors]
) -> npt.NDArray[np.float32]:
    scores = [float((known[key] @ queries[number]).max()) for number, key in zip(query, pictures, strict=True)]
    return np.array(scores, dtype=np.float32)
