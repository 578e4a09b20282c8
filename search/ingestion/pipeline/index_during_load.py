"""Drop the vector index during a large first load and build it at the end.

A load is one run of `ingest`, or the backlog that any number of `embed_pending` processes work off together. If it is
killed the index stays missing, and the next load builds it at its end.
"""

from collections.abc import Callable

from django.db import connection

from search.embedding import active_model
from search.indexing.index_building import State, build_index, drop_index, index_state, lock_index, unlock_index
from search.models import Image, ImageVector, VectorSet
from search.models.vector_sets import VectorTable, current_set

FROM = 1_000
"""Number of vectors in a load from which dropping the index pays off. A vector costs 2.5 ms with the index and 0.1 ms
without; building the index of 20,000 rows takes 0.5 ms per row (two cores), so it pays off when the rows grow by a
quarter; `_is_worth_it` asks for half."""
AT_MOST = 20_000
"""Maximum number of vectors before the load. With more, a search without the index takes over 50 ms."""


class IndexDuringLoad:
    """Decides for one load whether to drop the index. `announce` is called before slow steps."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._added = 0
        # Queried when the first rows come.
        self._before: int | None = None
        # The set whose index lock we hold.
        self._ours: VectorTable | None = None

    def rows_come(self, count: int) -> None:
        """Call before rows are written: drops the index if worthwhile."""
        if connection.in_atomic_block:  # the index can be neither dropped nor built
            return
        self._added += count
        table = current_set(active_model())
        if self._before is None:
            self._before = 0 if table is None else _count(table, AT_MOST + 1)
            self._take_if_missing(table)
        if _is_worth_it(self._before, self._added):
            self._drop(table)

    def rows_pending(self, most: int | None = None) -> None:
        """Call while up to `most` rows have pending vectors: drops the index if worthwhile. May be called
        repeatedly."""
        if connection.in_atomic_block or self._ours:
            return
        waiting = Image.objects.pending()[:AT_MOST].count()
        expected = waiting if most is None else min(waiting, most)
        table = current_set(active_model())
        if not expected or table is None:
            return
        self._take_if_missing(table)
        if expected >= FROM and _is_worth_it(_count(table, AT_MOST + 1), expected):
            self._drop(table)

    def _take_if_missing(self, table: VectorTable | None) -> None:
        """Take the lock of a missing index, unless another process holds it."""
        if table and index_state(table) is not State.THERE and lock_index(table):
            self._ours = table

    def _drop(self, table: VectorTable | None) -> None:
        # A model's vector set is created with its first rows: the next call checks again.
        if table and not self._ours and index_state(table) is State.THERE and lock_index(table):
            self._ours = table
            self._announce("Postponing the vector index until the end")
            drop_index(table)

    def finish(self) -> None:
        """Call at the end of the load: builds the index if it is missing and no other process is building it."""
        table = self._ours or current_set(active_model())
        if connection.in_atomic_block or table is None or index_state(table) is State.THERE:
            return
        if not VectorSet.objects.filter(pk=table.id).exists():  # it was replaced meanwhile
            return
        if self._ours or lock_index(table):
            self._ours = table
            self._announce(f"Building the index of {_count(table):,} vectors")
            build_index(table)

    def let_go(self) -> None:
        if self._ours:
            unlock_index(self._ours)
            self._ours = None


def _count(table: VectorTable, at_most: int | None = None) -> int:
    return ImageVector.objects.filter(set_id=table.id)[:at_most].count()


def _is_worth_it(before: int, added: int) -> bool:
    return added >= FROM and before <= min(AT_MOST, 2 * added)
