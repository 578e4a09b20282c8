"""After a switch, copy the new vectors into the image rows in the background; searches don't need that.

Until it is done, rows name the old or the new model, and both are accepted.
"""

import threading
import uuid

from django.db import connection, transaction

from search.ingestion import Progress, Report
from search.models import Image, ModelSwitch
from search.models.active_pair import NOTICED
from search.models.sql_statements import fetch_value
from search.models.vector_sets import VectorTable, current_set, forget_sets
from search.switching.switch_row import save

BATCH = 500
"""Rows per transaction: some tenths of a second for which a curator may wait."""
_POLL_SECONDS = 1.0


def is_left() -> bool:
    """Whether image rows may still name the previous model."""
    return ModelSwitch.objects.exclude(uncopied="").exists()


def left() -> int:
    """Return the number of such rows."""
    row = ModelSwitch.objects.first()
    return Image.objects.filter(embedding_model=row.uncopied).count() if row and row.uncopied else 0


def copy_vectors(stop: threading.Event, progress: Progress = lambda report: None) -> Report:
    """Copy vectors of the active model into image rows until done or `stop` is set. Several processes may run it at
    once, and it can be repeated.

    Locked rows are left for the next round. Images without such a vector become pending.
    """
    report = Report()
    row = ModelSwitch.objects.first()
    forget_sets()
    table = current_set(row.model) if row and row.uncopied else None
    if row is None or table is None:
        return report
    _wait_until_noticed(row, stop)
    progress(report)
    while not stop.is_set():
        before = report.added
        after = uuid.UUID(int=0)
        while not stop.is_set() and (ids := _written(row, table, after)) is not None:
            after = ids[-1]
            report.added += len(ids)
            progress(report)
        if stop.is_set():
            break
        if not _has_uncopied(row, table):
            _note_end(row)
            break
        if report.added == before:
            stop.wait(_POLL_SECONDS)
    return report


def _wait_until_noticed(row: ModelSwitch, stop: threading.Event) -> None:
    """Wait until every process accepts both models in rows."""
    since = fetch_value("SELECT extract(epoch FROM clock_timestamp() - %s)", [row.switched])
    stop.wait(max(0.0, NOTICED - float(since)))


def _written(row: ModelSwitch, table: VectorTable, after: uuid.UUID) -> list[uuid.UUID] | None:
    """Write the next unlocked rows after an id; return their ids, None at the end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, embedding_model FROM search_image AS image WHERE id > %s AND {_lacks_own(table)}"  # noqa: S608
            " ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED",
            [after, row.model, BATCH],
        )
        found = dict(cursor.fetchall())
        if not found:
            return None
        ids = list(found)
        if set(found.values()) == {row.uncopied}:
            # This does not change what searches find: suppress the change counter.
            cursor.execute("SELECT set_config('search.changed', pg_current_xact_id()::text, true)")
        cursor.execute(
            "UPDATE search_image AS image SET embedding = v.embedding, embedding_model = %s, embedding_backend = '',"  # noqa: S608 - our own name
            f" embedding_failure = '' FROM {table.table} v"
            " WHERE v.image_id = image.id AND v.window_index = 0 AND image.id = ANY(%s)",
            [row.model, ids],
        )
        if cursor.rowcount < len(ids):
            cursor.execute("SELECT set_config('search.changed', '', true)")
            cursor.execute(
                "UPDATE search_image SET embedding = NULL, embedding_model = '', embedding_backend = ''"
                " WHERE id = ANY(%s) AND embedding_model <> %s",
                [ids, row.model],
            )
    return ids


def _lacks_own(table: VectorTable) -> str:
    """SQL condition for rows with a vector of another model, or with none although the set has one."""
    return (
        "embedding_model <> %s AND (embedding_model <> '' OR EXISTS ("
        f"SELECT FROM {table.table} v WHERE v.image_id = image.id AND v.window_index = 0))"
    )


def _has_uncopied(row: ModelSwitch, table: VectorTable) -> bool:
    return bool(
        fetch_value(
            f"SELECT EXISTS (SELECT FROM search_image AS image WHERE {_lacks_own(table)})",  # noqa: S608
            [row.model],
        )
    )


def _note_end(row: ModelSwitch) -> None:
    with transaction.atomic():
        now = ModelSwitch.locked()
        if now and (now.model, now.uncopied) == (row.model, row.uncopied):
            now.uncopied = ""
            save(now)
