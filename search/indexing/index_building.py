"""Building, rebuilding and dropping the HNSW index of a vector set: one index per leaf table.

Without the index a search scans all rows, which is slower but exact. Dropping and building hold an advisory lock,
which ends with the connection: after a kill the index is missing or invalid, and the lock is free. A rebuild creates
the new index beside the old one and swaps them at the end: wherever it is killed, one of them is valid.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum

import psutil
from django.db import DatabaseError, OperationalError, connection
from psycopg.errors import QueryCanceled

from imagesearch.memory_and_cores import core_count, memory_bytes
from search.models.hnsw import indexing
from search.models.sql_statements import execute, fetch_column, fetch_one, fetch_value
from search.models.vector_sets import VectorTable, index_name

MANY_DEAD = 0.2
"""Fraction of dead rows above which they should be removed. Autovacuum removes them at about this."""
_BESIDE = "_ccnew"
"""Suffix of an index that will replace another one, as in PostgreSQL's REINDEX CONCURRENTLY."""
_LIMITS = ["statement_timeout", "lock_timeout", "transaction_timeout"]
"""Timeouts meant for requests, which would cancel every build of a large index."""
_NEIGHBOURS = 1_000
"""Bytes of memory per row for building the index, besides its vector."""


class State(Enum):
    THERE = "there"
    HALF_BUILT = "half built"
    MISSING = "missing"


def index_state(table: VectorTable) -> State:
    """Return the worst state among the indexes of the set's tables."""
    wholes = [_is_whole(index_name(leaf)) for leaf in table.leaves]
    if None in wholes:
        return State.MISSING
    return State.THERE if all(wholes) else State.HALF_BUILT


def _is_whole(name: str) -> bool | None:
    """Whether an index is valid; None if there is none of this name."""
    row = fetch_one("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
    return None if row is None else bool(row[0])


def build_index(table: VectorTable) -> None:
    """Build the missing or invalid indexes, CONCURRENTLY: reads and writes continue."""
    for leaf in table.leaves:
        if not _is_whole(index_name(leaf)):
            _build(leaf, table.dimensions, _create)


def rebuild_index(table: VectorTable) -> bool:
    """Rebuild the index with the parameters of this version. An existing one stays in use until the end.

    Returns False if a bulk load or another process has the lock. Leftovers of an interrupted rebuild are removed, or
    used if valid.
    """
    if not lock_index(table):
        return False
    try:
        for leaf in table.leaves:
            _build(leaf, table.dimensions, _create_beside if _is_whole(index_name(leaf)) else _create)
    finally:
        unlock_index(table)
    return True


def many_dead(rows: int, dead: int) -> bool:
    """Whether so many rows of a table are dead that they should be removed."""
    return dead > MANY_DEAD * max(rows, 1_000)


def vacuum(table: VectorTable) -> None:
    """Remove the set's dead rows, and analyse its tables.

    Removing many rows from an HNSW index takes VACUUM longer than a rebuild: 18 s instead of 2.5. So the index is
    rebuilt first, unless another process has its lock.
    """
    for leaf in table.leaves:
        rows, dead = fetch_one(
            "SELECT n_live_tup, n_dead_tup FROM pg_stat_user_tables WHERE relid = %s::regclass", [leaf]
        )
        if many_dead(rows, dead) and _is_whole(index_name(leaf)) and lock_index(table):
            try:
                _build(leaf, table.dimensions, _create_beside)
            finally:
                unlock_index(table)
        with without_limits():
            _execute(f'VACUUM (ANALYZE) "{leaf}"')


def drop_index(table: VectorTable) -> None:
    """Drop the index, valid or not, once no search uses it any more."""
    for leaf in table.leaves:
        _drop(index_name(leaf))


def left_over(table: VectorTable) -> list[str]:
    """Return the names of indexes left by an interrupted rebuild: each slows down every insert."""
    return [name for leaf in table.leaves for name in _left_beside(leaf)]


def _left_beside(leaf: str) -> list[str]:
    return fetch_column(
        "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass(%s) "
        "AND starts_with(relname, %s) ORDER BY relname",
        [leaf, f"{index_name(leaf)}_cc"],
    )


def is_under_way(table: VectorTable) -> bool:
    """Whether some process has the index's lock: it has dropped it for a bulk load, or is building it."""
    return bool(
        fetch_value(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database() AND objsubid = 1 "
            "AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0))",
            [_lock(table)],
        )
    )


def lock_index(table: VectorTable) -> bool:
    """Try to take the lock for dropping or building the index; return False if another process has it."""
    is_ours = fetch_value("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [_lock(table)])
    return bool(is_ours)


def unlock_index(table: VectorTable) -> None:
    with suppress(DatabaseError):  # a failed connection releases it anyway
        execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [_lock(table)])


def _lock(table: VectorTable) -> str:
    return index_name(table.table)


def _build(leaf: str, dimensions: int, create: Callable[[str, int], None]) -> None:
    beside = index_name(leaf) + _BESIDE
    if not _is_whole(beside):  # else a rebuild was killed after creating it
        with_resources(leaf, dimensions, create)
    if _is_whole(beside):
        _replace(leaf)


def with_resources(leaf: str, dimensions: int, create: Callable[[str, int], None]) -> None:
    """Run `create` for one table with this machine's memory and cores."""
    with _resources(leaf, dimensions, parallel=True):
        try:
            create(leaf, dimensions)
        except OperationalError as error:
            if isinstance(error.__cause__, QueryCanceled) or not connection.is_usable():
                raise
            # Parallel workers share memory in /dev/shm, which by default is 64 MB in a container.
            with _resources(leaf, dimensions, parallel=False):
                create(leaf, dimensions)


def _create(leaf: str, dimensions: int) -> None:
    _drop_leftovers(leaf)
    _drop(index_name(leaf))  # an invalid one
    _create_as(index_name(leaf), leaf, dimensions)


def _create_beside(leaf: str, dimensions: int) -> None:
    _drop_leftovers(leaf)
    _create_as(index_name(leaf) + _BESIDE, leaf, dimensions)


def _create_as(name: str, leaf: str, dimensions: int) -> None:
    _execute(indexing.create_sql(leaf, dimensions, name, concurrently=True))


def _replace(leaf: str) -> None:
    """Swap the new index in. Neither step blocks searches or loads."""
    name = index_name(leaf)
    _drop(name)
    _rename(f"{name}{_BESIDE}", name)


def _rename(name: str, becomes: str) -> None:
    _execute(f'ALTER INDEX "{name}" RENAME TO "{becomes}"')


def _drop(name: str) -> None:
    with without_limits():
        _execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')


def _drop_leftovers(leaf: str) -> None:
    for name in _left_beside(leaf):
        _drop(name)


def _execute(statement: str) -> None:
    execute(statement)


@contextmanager
def _resources(leaf: str, dimensions: int, *, parallel: bool) -> Iterator[None]:
    """Use this machine's memory and cores in the context, if the database runs here; else the server's own
    settings."""
    settings: dict[str, str] = {}
    if is_here():
        needed = max(64 << 20, (2 * dimensions + _NEIGHBOURS) * _count(leaf) * 5 // 4)
        free = min(psutil.virtual_memory().available, memory_bytes())  # psutil ignores a container's limit
        memory = max(1 << 20, min(needed, free // 2))  # PostgreSQL's minimum
        settings["maintenance_work_mem"] = f"{memory >> 10}kB"
        settings["max_parallel_maintenance_workers"] = str(core_count() - 1)
    if not parallel:
        settings["max_parallel_maintenance_workers"] = "0"
    with without_limits(), _session(settings):
        yield


def _count(leaf: str) -> int:
    return int(fetch_value(f'SELECT count(*) FROM "{leaf}"'))  # noqa: S608 - our own name


@contextmanager
def without_limits() -> Iterator[None]:
    """Disable the server's timeouts of statements in the context."""
    limits = fetch_column("SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting <> '0'", [_LIMITS])
    with _session(dict.fromkeys(limits, "0")):
        yield


@contextmanager
def _session(settings: Mapping[str, str]) -> Iterator[None]:
    """Set these session settings in the context."""
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        try:
            yield
        finally:
            with suppress(DatabaseError):  # a failed connection loses its settings anyway
                for name in settings:
                    cursor.execute(f"RESET {name}")


def is_here() -> bool:
    """Whether the database runs on this machine."""
    host = str(connection.settings_dict["HOST"])
    return host.startswith("/") or host in {"", "localhost", "127.0.0.1", "::1"}
