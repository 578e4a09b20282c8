"""Which table holds the vectors of a model. Known for some seconds, so that a search need not ask."""

import time
from dataclasses import dataclass

from django.db import connection

REMEMBERED = 5.0
"""Seconds for which a process knows which set of a model is current."""


@dataclass(frozen=True, slots=True)
class VectorTable:
    """A set of vectors: the row of VectorSet, and its tables.

    `vectors` is about how many rows there are, those of hidden pictures and of windows too, and `windows` about how
    many of them are windows: 0 only where there was none.
    """

    id: int
    model: str
    dimensions: int
    partitions: int
    vectors: int = 0
    windows: int = 0

    @property
    def table(self) -> str:
        return f"search_imagevector_s{self.id}"

    @property
    def leaves(self) -> list[str]:
        """The tables that hold rows, each with its own index."""
        if self.partitions == 1:
            return [self.table]
        return [f"{self.table}_p{number}" for number in range(self.partitions)]


# What the planner goes by too: how full the pages were when somebody counted, times the pages that there are now.
_ROWS = """
coalesce((SELECT sum(pg_relation_size(oid) / current_setting('block_size')::int
    * CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages ELSE {a_page} END)
FROM pg_class WHERE oid IN ({tables})), 0)::bigint
"""
_LEAVES = "SELECT relid FROM pg_partition_tree(('search_imagevector_s' || its.id)::regclass) WHERE isleaf"
_WINDOWS = f"SELECT indexrelid FROM pg_index WHERE indpred IS NOT NULL AND indrelid IN ({_LEAVES})"  # noqa: S608 - constants
_CURRENT = f"""
SELECT id, model, dimensions, partitions,
    {_ROWS.format(tables=_LEAVES, a_page="8000 / (2 * dimensions + 60)")},
    CASE WHEN EXISTS (SELECT FROM search_imagevector WHERE set_id = its.id AND window_index > 0)
        THEN greatest(1, {_ROWS.format(tables=_WINDOWS, a_page="250")}) ELSE 0 END
FROM search_vectorset AS its WHERE model = %s AND is_current
"""  # noqa: S608 - constants

_known: dict[str, tuple[float, VectorTable]] = {}


def current_set(model: str) -> VectorTable | None:
    """Return the set of `model` that is searched; None while there is no vector of it."""
    known_at, known = _known.get(model, (float("-inf"), None))
    if known is None or time.monotonic() - known_at >= REMEMBERED:
        with connection.cursor() as cursor:
            cursor.execute(_CURRENT, [model])
            row = cursor.fetchone()
        if row is None:
            _known.pop(model, None)
            return None
        known = VectorTable(*row)
        _known[model] = time.monotonic(), known
    return known


def index_name(leaf: str) -> str:
    """The name of the HNSW index of one of a set's tables."""
    return f"{leaf}_hnsw"


def forget_sets() -> None:
    _known.clear()
