"""The index of the vectors while a collection is filled: dropped for the time of a big first load, built at its end.

A load is one run of `ingest`, or what any number of `embed_pending` work off together. One that was killed leaves the
index missing, with nobody at it, and the next one that comes to its end builds it.
"""

from collections.abc import Callable

from django.db import connection

from search.embedding import active_model
from search.indexing.building import State, build_index, drop_index, index_state, lock_index, unlock_index
from search.models import Image, ImageVector, VectorSet
from search.models.vector_sets import VectorTable, current_set

FROM = 1_000
"""Vectors that a load brings before it drops the index. One costs 2.5 ms in the index and 0.1 without, and building
the index of 20,000 rows takes 0.5 ms for each (two cores), so that the rows must become a quarter more at least."""
AT_MOST = 20_000
"""Vectors that were there before the load. Of more than these a search without an index takes over 50 ms."""


class IndexDuringLoad:
    """Decides for one load whether it goes on without the index. `tell` is called before what takes long."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._added = 0
        # What is not asked of the database before the first rows come.
        self._before: int | None = None
        # The set whose index is ours to drop and build.
        self._ours: VectorTable | None = None

    def rows_come(self, count: int) -> None:
        """Rows are about to be written: drop the index if it is time to."""
        if connection.in_atomic_block:  # the index can be neither dropped nor built
            return
        self._added += count
        table = current_set(active_model())
        if self._before is None:
            self._before = 0 if table is None else _count(table, AT_MOST + 1)
            self._take_if_left(table)
        if _is_worth_it(self._before, self._added):
            self._leave_out(table)

    def rows_wait(self, most: int | None = None) -> None:
        """Rows wait for their vectors, of which up to `most` are about to be written: drop the index if it is time to.

        May be called again and again.
        """
        if connection.in_atomic_block or self._ours:
            return
        waiting = Image.objects.pending()[:AT_MOST].count()
        expected = waiting if most is None else min(waiting, most)
        table = current_set(active_model())
        if not expected or table is None:
            return
        self._take_if_left(table)
        if expected >= FROM and _is_worth_it(_count(table, AT_MOST + 1), expected):
            self._leave_out(table)

    def _take_if_left(self, table: VectorTable | None) -> None:
        """Take an index that is missing: one that was killed has left it, or somebody else is at it."""
        if table and index_state(table) is not State.THERE and lock_index(table):
            self._ours = table

    def _leave_out(self, table: VectorTable | None) -> None:
        # The set of a model comes to be with its first rows: the next ones ask again.
        if table and not self._ours and index_state(table) is State.THERE and lock_index(table):
            self._ours = table
            self._tell("Leaving the index of the vectors until the end")
            drop_index(table)

    def finish(self) -> None:
        """The load has come to its end: build the index if it is missing and nobody else is at it."""
        table = self._ours or current_set(active_model())
        if connection.in_atomic_block or table is None or index_state(table) is State.THERE:
            return
        if not VectorSet.objects.filter(pk=table.id).exists():  # another one has taken its place
            return
        if self._ours or lock_index(table):
            self._ours = table
            self._tell(f"Building the index of {_count(table):,} vectors")
            build_index(table)

    def let_go(self) -> None:
        if self._ours:
            unlock_index(self._ours)
            self._ours = None


def _count(table: VectorTable, at_most: int | None = None) -> int:
    return ImageVector.objects.filter(set_id=table.id)[:at_most].count()


def _is_worth_it(before: int, added: int) -> bool:
    return added >= FROM and before <= min(AT_MOST, 2 * added)
