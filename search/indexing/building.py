"""The index of the vectors while a collection is filled: dropped for the time of a big first load, built at its end.

A load is one run of `ingest`, or what any number of `embed_pending` work off together.

Without it a search reads all rows, which is slower and just as right. Whoever drops or builds it holds an advisory
lock, which ends with its connection: a load that was killed leaves the index missing or half built, with nobody at it,
and the next one that comes to its end builds it. A rebuild makes the new index beside the old one, and takes that away
and its name only then: wherever it is killed, one of the two is whole.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum

import psutil  # type: ignore[import-untyped]
from django.db import DatabaseError, OperationalError, connection
from django.db.models import Index
from pgvector.django import HnswIndex
from psycopg.errors import QueryCanceled

from imagesearch.machine import core_count, memory_bytes
from search.models import Image
from search.models.image import DIMENSIONS
from search.querysets import ImageQuerySet

FROM = 1_000
"""Vectors that a load brings before it drops the index. One costs 2.5 ms in the index and 0.1 without, and building
the index of 20,000 rows takes 0.5 ms for each (two cores), so that the rows must become a quarter more at least."""
AT_MOST = 20_000
"""Vectors that were there before the load. Of more than these a search without an index takes over 50 ms."""
_BESIDE = "_ccnew"
"""What the name of an index ends in that is to replace another one, as PostgreSQL ends it for REINDEX."""
_LIMITS = ["statement_timeout", "lock_timeout", "transaction_timeout"]
"""Settings that bound what a request may take, and would cut off every build of a large collection."""
_ROW = 2 * DIMENSIONS + 1_000
"""Bytes of memory for a row while the index is built: its vector and its neighbours."""


class State(Enum):
    THERE = "there"
    HALF_BUILT = "half built"
    MISSING = "missing"


def vector_index() -> HnswIndex:
    (index,) = (index for index in Image._meta.indexes if isinstance(index, HnswIndex))
    return index


def index_state() -> State:
    whole = _is_whole(vector_index().name)
    if whole is None:
        return State.MISSING
    return State.THERE if whole else State.HALF_BUILT


def _is_whole(name: str) -> bool | None:
    """Whether searches can use an index; None where there is none of this name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        row = cursor.fetchone()
    return None if row is None else bool(row[0])


def build_index() -> None:
    """Build the index of the vectors. Reading and writing go on meanwhile; there is no index until the end."""
    _build(_create)


def rebuild_index() -> bool:
    """Build the index anew, with the parameters of this version. Where there is one, it serves until the end.

    Returns False where a load or somebody else is at it. What an interrupted one left is removed by the next one, or
    put to use where it is whole.
    """
    if not _locked():
        return False
    try:
        _build(_create_beside if index_state() is State.THERE else _create)
    finally:
        _unlock()
    return True


def left_over() -> list[str]:
    """Return the names of the indexes that an interrupted rebuild has left: each slows every new row down."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = %s::regclass "
            "AND starts_with(relname, %s) ORDER BY relname",
            [Image._meta.db_table, f"{vector_index().name}_cc"],
        )
        return [name for (name,) in cursor.fetchall()]


def is_under_way() -> bool:
    """Whether somebody has dropped the index for a load, or builds it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database() AND objsubid = 1 "
            "AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0))",
            [vector_index().name],
        )
        return bool(cursor.fetchone()[0])


def _build(create: Callable[[], None]) -> None:
    beside = vector_index().name + _BESIDE
    if not _is_whole(beside):  # or a rebuild was killed when it had made it
        _with_resources(create)
    if _is_whole(beside):
        _replace()


def _with_resources(create: Callable[[], None]) -> None:
    with _resources(parallel=True):
        try:
            create()
        except OperationalError as error:
            if isinstance(error.__cause__, QueryCanceled) or not connection.is_usable():
                raise
            # Workers share memory in /dev/shm, which is 64 MB in a container where nobody has asked for more.
            with _resources(parallel=False):
                create()


def _create() -> None:
    _drop_leftovers()
    drop_index()  # what is left of one that was not finished
    _create_as(vector_index())


def _create_beside() -> None:
    _drop_leftovers()
    beside = vector_index().clone()
    beside.name += _BESIDE
    _create_as(beside)


def _replace() -> None:
    """Have the new index take the place of the old one. Neither step holds a search or a load up."""
    drop_index()
    _rename()


def _rename() -> None:
    name = vector_index().name
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER INDEX "{name}{_BESIDE}" RENAME TO "{name}"')


def _create_as(index: Index) -> None:
    with connection.schema_editor(atomic=False) as editor:
        editor.execute(index.create_sql(Image, editor, concurrently=True), params=None)


def _drop_leftovers() -> None:
    with connection.cursor() as cursor:
        for name in left_over():
            cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')


def drop_index() -> None:
    """Drop the index, or what there is of it, once no search uses it any more."""
    with _without_limits(), connection.schema_editor(atomic=False) as editor:
        editor.execute(vector_index().remove_sql(Image, editor, concurrently=True))


@contextmanager
def _resources(*, parallel: bool) -> Iterator[None]:
    """Let the block build with this machine's memory and cores; those of a server elsewhere are for it to know."""
    settings: dict[str, str] = {}
    if _is_here():
        needed = max(64 << 20, _ROW * _vectors().count() * 5 // 4)
        free = min(psutil.virtual_memory().available, memory_bytes())  # the first knows no container's limit
        memory = max(1 << 20, min(needed, free // 2))  # the least that PostgreSQL takes
        settings["maintenance_work_mem"] = f"{memory >> 10}kB"
        settings["max_parallel_maintenance_workers"] = str(core_count() - 1)
    if not parallel:
        settings["max_parallel_maintenance_workers"] = "0"
    with _without_limits(), _session(settings):
        yield


@contextmanager
def _without_limits() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting <> '0'", [_LIMITS])
        limits = [name for (name,) in cursor.fetchall()]
    with _session(dict.fromkeys(limits, "0")):
        yield


@contextmanager
def _session(settings: Mapping[str, str]) -> Iterator[None]:
    """Run the block with these settings of the server."""
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        try:
            yield
        finally:
            with suppress(DatabaseError):  # a connection that has failed takes its settings with it
                for name in settings:
                    cursor.execute(f"RESET {name}")


def _is_here() -> bool:
    """Whether the database runs on this machine."""
    host = str(connection.settings_dict["HOST"])
    return host.startswith("/") or host in {"", "localhost", "127.0.0.1", "::1"}


class IndexDuringLoad:
    """Decides for one load whether it goes on without the index. `tell` is called before what takes long."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._added = 0
        # What is not asked of the database before the first rows come.
        self._before: int | None = None
        self._is_ours = False

    def rows_come(self, count: int) -> None:
        """Rows are about to be written: drop the index if it is time to."""
        if connection.in_atomic_block:  # the index can be neither dropped nor built
            return
        if self._before is None:
            self._before = _vectors()[: AT_MOST + 1].count()
            if index_state() is not State.THERE:
                self._is_ours = _locked()
        self._added += count
        if not self._is_ours and _is_worth_it(self._before, self._added):
            self._leave_out()

    def rows_wait(self, most: int | None = None) -> None:
        """Rows wait for their vectors, of which up to `most` are about to be written: drop the index if it is time to.

        May be called again and again.
        """
        if connection.in_atomic_block or self._is_ours:
            return
        waiting = Image.objects.pending()[:AT_MOST].count()
        expected = waiting if most is None else min(waiting, most)
        if not expected:
            return
        if index_state() is not State.THERE:  # left by one that was killed, or somebody else is at it
            self._is_ours = _locked()
        elif expected >= FROM and _is_worth_it(_vectors()[: AT_MOST + 1].count(), expected):
            self._leave_out()

    def _leave_out(self) -> None:
        self._is_ours = _locked()
        if self._is_ours:
            self._tell("Leaving the index of the vectors until the end")
            drop_index()

    def finish(self) -> None:
        """The load has come to its end: build the index if it is missing and nobody else is at it."""
        if connection.in_atomic_block or index_state() is State.THERE:
            return
        if self._is_ours or _locked():
            self._is_ours = True
            self._tell(f"Building the index of {_vectors().count():,} vectors")
            build_index()

    def let_go(self) -> None:
        if self._is_ours:
            _unlock()
            self._is_ours = False


def _vectors() -> ImageQuerySet:
    return Image.objects.filter(embedding__isnull=False)


def _is_worth_it(before: int, added: int) -> bool:
    return added >= FROM and before <= min(AT_MOST, 2 * added)


def _locked() -> bool:
    """Take the lock of whoever drops or builds the index; False where somebody else has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [vector_index().name])
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)


def _unlock() -> None:
    with suppress(DatabaseError), connection.cursor() as cursor:  # a connection that has failed takes it with it
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [vector_index().name])
