"""The tables of vector sets. Cached for some seconds, so that a search need not query them."""

import time
from dataclasses import dataclass

from search.models import VectorSet
from search.models.sql_statements import execute, fetch_column, fetch_one, fetch_value

REMEMBERED = 5.0
"""Seconds for which a process caches which set of a model is current."""


@dataclass(frozen=True, slots=True)
class VectorTable:
    """A set of vectors: the row of VectorSet, and its tables.

    `vectors` is the approximate number of rows, including those of hidden pictures and of windows, and `windows` the
    approximate number of windows: 0 only if there is none.
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

    def distance(self, one: str, other: str) -> str:
        """Return SQL for the distance of two of its rows, as its index orders them."""
        return f"({one}.embedding::halfvec({self.dimensions}) <=> {other}.embedding::halfvec({self.dimensions}))"

    @property
    def leaves(self) -> list[str]:
        """The tables that contain rows, each with its own index."""
        if self.partitions == 1:
            return [self.table]
        return [f"{self.table}_p{number}" for number in range(self.partitions)]


# As the planner estimates it: rows per page at the last ANALYZE, times the current number of pages.
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
    """Return the current set of `model`, which is searched; None while it has no vectors."""
    known_at, known = _known.get(model, (float("-inf"), None))
    if known is None or time.monotonic() - known_at >= REMEMBERED:
        row = fetch_one(_CURRENT, [model])
        if row is None:
            _known.pop(model, None)
            return None
        known = VectorTable(*row)
        _known[model] = time.monotonic(), known
    return known


def table_of(row: VectorSet) -> VectorTable:
    return VectorTable(row.id, row.model, row.dimensions, row.partitions)


def make_set(model: str, dimensions: int, partitions: int = 1, *, current: bool = True) -> VectorTable:
    """Create a set with its table and indexes, all empty; return it, or the current one if it exists."""
    number = fetch_value("SELECT make_vector_set(%s, %s, %s, %s)", [model, dimensions, partitions, current])
    return table_of(VectorSet.objects.get(pk=number))


def drop_set(table: VectorTable) -> None:
    """Drop a set with its rows. No search or write of other sets has to wait.

    First the row, so that no trigger writes into it any more; then the table, once its users have ended. Outside of a
    transaction. A process killed in between leaves a table that `left_tables` finds.
    """
    VectorSet.objects.filter(pk=table.id).delete()
    forget_sets()
    _drop_table(table.table)


def left_tables() -> list[str]:
    """Return the tables of sets that no longer exist: a process was killed while dropping them."""
    return fetch_column(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^search_imagevector_s[0-9]+$'"
        " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'search_imagevector'::regclass)"
        " AND substring(relname FROM '[0-9]+$')::int NOT IN (SELECT id FROM search_vectorset) ORDER BY relname"
    )


def drop_left_tables() -> None:
    """Drop the tables that `drop_set` has left."""
    for name in left_tables():
        _drop_table(name)


def _drop_table(name: str) -> None:
    attached = fetch_one(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhparent = 'search_imagevector'::regclass"
        " AND inhrelid = to_regclass(%s)",
        [name],
    )
    if attached:
        # An interrupted detach can't be restarted, only finalised.
        how = "FINALIZE" if attached[0] else "CONCURRENTLY"
        execute(f'ALTER TABLE search_imagevector DETACH PARTITION "{name}" {how}')
    execute(f'DROP TABLE IF EXISTS "{name}"')


def index_name(leaf: str) -> str:
    """Return the name of the HNSW index of a leaf table."""
    return f"{leaf}_hnsw"


def forget_sets() -> None:
    _known.clear()
