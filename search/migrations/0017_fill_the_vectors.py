"""The tables of vectors get what images have, and their indexes: nothing is encoded again.

100,000 images take some two minutes on two cores, nearly all of it for the index. How long it may take is told before.
Each step is a transaction of its own; what a killed one left is found by what is missing, and `migrate` goes on there.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError, migrations

from imagesearch.memory_and_cores import core_count
from search.indexing.index_building import is_here, with_resources, without_limits

PAGES = 500
"""Pages of the table of images, 4 MB, that are copied in one transaction. Writers wait for its end."""
TOLD_FROM = 5_000
"""Vectors; fewer are done before anybody has read how long they take."""
EACH = 10.0
"""Seconds between two words of how far it is."""
COPIED, INDEXED = 80e-6, 2.2e-3
"""Seconds for each vector: to copy it, and to index it on one core. Measured with 100,000 of 512 dimensions."""

_LACKS = "NOT EXISTS (SELECT FROM search_imagevector WHERE set_id = %s AND image_id = id AND window_index = 0)"


class _Set:
    """One set of vectors: what it lacks, and its tables without an index."""

    def __init__(self, cursor: Any, model: str) -> None:
        self._cursor = cursor
        cursor.execute(
            "SELECT vector_dims(embedding) FROM search_image WHERE embedding_model = %s LIMIT 1", [model]
        )
        (self.dimensions,) = cursor.fetchone()
        cursor.execute("SELECT make_vector_set(%s, %s)", [model, self.dimensions])
        (self.number,) = cursor.fetchone()
        self.model = model
        cursor.execute(
            f"SELECT count(*) FROM search_image WHERE embedding_model = %s AND {_LACKS}", [model, self.number]
        )
        (self.missing,) = cursor.fetchone()
        cursor.execute(
            "SELECT relid::regclass::text FROM pg_partition_tree(%s::regclass) WHERE isleaf ORDER BY 1",
            [f"search_imagevector_s{self.number}"],
        )
        self.leaves = [leaf for (leaf,) in cursor.fetchall()]

    def to_index(self) -> int:
        """Return how many vectors an index is to be built of."""
        if self.missing or any(not self._has_index(leaf) for leaf in self.leaves):
            self._cursor.execute("SELECT count(*) FROM search_image WHERE embedding_model = %s", [self.model])
            return int(self._cursor.fetchone()[0])
        return 0

    def _has_index(self, leaf: str) -> bool:
        self._cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{leaf}_hnsw"])
        return bool(self._cursor.fetchone()[0])

    def fill(self) -> None:
        """Copy the vectors that are missing, once the indexes are gone: a row takes ten times as long with them."""
        for leaf in self.leaves:
            self._cursor.execute(f'DROP INDEX IF EXISTS "{leaf}_hnsw"')
        copy = (
            "INSERT INTO search_imagevector (set_id, image_id, embedding) SELECT %s, id, embedding FROM search_image "
            f"WHERE embedding_model = %s AND {_LACKS}"
        )
        values = [self.number, self.model, self.number]
        self._cursor.execute("SELECT pg_relation_size('search_image') / current_setting('block_size')::int")
        (pages,) = self._cursor.fetchone()
        done, progress = 0, _Progress(self.missing)
        # In the order of the table, which is read once: in that of the ids each row would be another page.
        for page in range(0, pages, PAGES):
            span = [f"({page},0)", f"({page + PAGES},0)"]
            done += self._copied(f"{copy} AND ctid >= %s::tid AND ctid < %s::tid", [*values, *span])
            progress.tell(f"{done:,} of {self.missing:,} vectors copied")
        self._copied(copy, values)  # what has moved to a page that was done
        for leaf in self.leaves:
            self._cursor.execute(f'VACUUM (ANALYZE) "{leaf}"')

    def _copied(self, statement: str, values: list[Any]) -> int:
        """Copy rows while nobody writes: what an image loses meanwhile would come after it was taken away."""
        self._cursor.execute("BEGIN")
        try:
            self._cursor.execute("LOCK TABLE search_image IN SHARE MODE")
            self._cursor.execute(f"{statement} ON CONFLICT DO NOTHING", values)
            count = int(self._cursor.rowcount)
            self._cursor.execute("COMMIT")
        except BaseException:
            self._cursor.execute("ROLLBACK")
            raise
        return count

    def index(self) -> None:
        """Build the indexes that are missing. Readers need not wait, and there is nobody who writes yet."""

        def build(leaf: str, dimensions: int) -> None:
            self._cursor.execute("SELECT make_vector_index(%s, %s)", [leaf, dimensions])

        for leaf in self.leaves:
            if not self._has_index(leaf):
                with_resources(leaf, self.dimensions, build)


class _Progress:
    """Tells how far it is, from time to time, where it takes long."""

    def __init__(self, count: int) -> None:
        self._is_told, self._told_at = count >= TOLD_FROM, time.monotonic()

    def tell(self, progress: str) -> None:
        if self._is_told and time.monotonic() > self._told_at + EACH:
            _say(progress)
            self._told_at = time.monotonic()


def _say(text: str) -> None:
    print(f"    {text}", file=sys.stderr, flush=True)


@contextmanager
def _indexing_told(connection: Any, count: int) -> Iterator[None]:
    """Tell from time to time how far the server is with the index that the block builds."""
    has_ended = threading.Event()
    (pid,) = _row(connection, "SELECT pg_backend_pid()")

    def watch() -> None:
        other = connection.copy()
        try:
            while not has_ended.wait(EACH):
                asked = "SELECT 100 * blocks_done / nullif(blocks_total, 0) FROM pg_stat_progress_create_index"
                row = _row(other, f"{asked} WHERE pid = {pid}")
                if row and row[0] is not None:
                    _say(f"index of {count:,} vectors: {row[0]} %")
        except (DatabaseError, InterfaceError):
            return  # it is but told
        finally:
            other.close()

    watcher = threading.Thread(target=watch, daemon=True)
    if count >= TOLD_FROM:
        watcher.start()
    try:
        yield
    finally:
        has_ended.set()
        if watcher.is_alive():
            watcher.join()


def _row(connection: Any, question: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()


def _tell_beforehand(connection: Any, copied: int, indexed: int) -> None:
    if max(copied, indexed) < TOLD_FROM:
        return
    cores = core_count() if is_here() else 1 + int(_row(connection, "SHOW max_parallel_maintenance_workers")[0])
    minutes = (copied * COPIED + indexed * INDEXED / cores) / 60
    _say(
        f"\n    {copied:,} vectors are copied to tables of their own and {indexed:,} indexed: about "
        f"{max(1, round(minutes))} min. Where it is stopped, the next `migrate` goes on."
    )


def fill(_apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    with connection.cursor() as cursor, without_limits():
        cursor.execute("SELECT DISTINCT embedding_model FROM search_image WHERE embedding_model <> '' ORDER BY 1")
        sets = [_Set(cursor, model) for (model,) in cursor.fetchall()]
        to_index = [each.to_index() for each in sets]
        _tell_beforehand(connection, sum(each.missing for each in sets), sum(to_index))
        for each, count in zip(sets, to_index, strict=True):
            if each.missing:
                each.fill()
            with _indexing_told(connection, count):
                each.index()


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('search', '0016_vectors_of_their_own'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
