"""Which table holds the vectors of a model. Known for some seconds, so that a search need not ask."""

import time
from dataclasses import dataclass

from search.models import VectorSet

REMEMBERED = 5.0
"""Seconds for which a process knows which set of a model is current."""


@dataclass(frozen=True, slots=True)
class VectorTable:
    """A set of vectors: the row of VectorSet, and its tables."""

    id: int
    model: str
    dimensions: int
    partitions: int

    @property
    def table(self) -> str:
        return f"search_imagevector_s{self.id}"

    @property
    def leaves(self) -> list[str]:
        """The tables that hold rows, each with its own index."""
        if self.partitions == 1:
            return [self.table]
        return [f"{self.table}_p{number}" for number in range(self.partitions)]


_known: dict[str, tuple[float, VectorTable]] = {}


def current_set(model: str) -> VectorTable | None:
    """Return the set of `model` that is searched; None while there is no vector of it."""
    known_at, known = _known.get(model, (float("-inf"), None))
    if known is None or time.monotonic() - known_at >= REMEMBERED:
        row = VectorSet.objects.filter(model=model, is_current=True).first()
        if row is None:
            _known.pop(model, None)
            return None
        known = VectorTable(row.id, row.model, row.dimensions, row.partitions)
        _known[model] = time.monotonic(), known
    return known


def index_name(leaf: str) -> str:
    """The name of the HNSW index of one of a set's tables."""
    return f"{leaf}_hnsw"


def forget_sets() -> None:
    _known.clear()
