"""Repartitioning: a set of vectors too large for its tables is copied into another one with more partitions, which
then replaces it.

Searches use the old set until the new one is complete. New vectors are written to both meanwhile (migration 0016). A
killed process leaves a set under construction, with which the next one continues.
"""

import math
import time
import uuid
from collections.abc import Callable

from django.db import transaction

from search.indexing.index_building import build_index, drop_index, lock_index, unlock_index
from search.models import VectorSet
from search.models.sql_statements import execute, fetch_one
from search.models.vector_sets import REMEMBERED, VectorTable, drop_set, forget_sets, make_set, table_of

MOST_IN_ONE = 1_500_000
"""Maximum vectors of one index: with more, even the largest `hnsw.ef_search` misses too many (docs/scaling.md)."""
PART = 750_000
"""Maximum vectors of a partition after repartitioning."""
BATCH = 2_000
"""Images whose vectors are copied in one transaction. An edit of one of them waits for its end: some hundredths of a
second."""
STILL_SEARCHED = 3 * REMEMBERED
"""Seconds after which no process searches a set that is no longer current."""

Report = Callable[[str], None]


def parts_for(vectors: int) -> int:
    """Return the number of partitions for a set of this size: a power of two, so that it rarely changes."""
    return 1 if vectors <= MOST_IN_ONE else 1 << math.ceil(math.log2(vectors / PART))


def divide(table: VectorTable, parts: int, report: Report) -> VectorTable | None:
    """Copy a set into one of `parts` partitions, build its index, switch searches to it, and return it.

    Returns None if a bulk load or another process has the lock.
    """
    if not lock_index(table):
        return None
    try:
        becomes = _under_construction(table, parts)
        _copy(table, becomes, report)
        report(f"Building the index of {parts} parts")
        build_index(becomes)
        _take_its_place(table, becomes)
    finally:
        unlock_index(table)
    drop_searched(table)
    return becomes


def drop_searched(*tables: VectorTable) -> None:
    """Drop sets that are no longer current, once no process searches them any more."""
    time.sleep(STILL_SEARCHED)
    for table in tables:
        drop_set(table)


def _under_construction(table: VectorTable, parts: int) -> VectorTable:
    """Return the set to copy into: one that another process has left, or a new one without an index."""
    for row in VectorSet.objects.filter(model=table.model, is_current=False):
        left = table_of(row)
        if left.partitions == parts and left.dimensions == table.dimensions:
            return left
        drop_set(left)
    made = make_set(table.model, table.dimensions, parts, current=False)
    drop_index(made)
    return made


def _copy(table: VectorTable, becomes: VectorTable, report: Report) -> None:
    """Copy missing rows, in the order of the images' ids.

    Locked images are neither deleted nor changed meanwhile: a later change finds the copy.
    """
    sql = f"""
        WITH batch AS (SELECT id FROM search_image WHERE id > %s ORDER BY id LIMIT {BATCH} FOR SHARE),
        copied AS (
            INSERT INTO search_imagevector (set_id, image_id, window_index, embedding)
            SELECT {becomes.id}, image_id, window_index, embedding FROM "{table.table}" JOIN batch ON id = image_id
            ON CONFLICT DO NOTHING
        )
        SELECT count(*), (array_agg(id ORDER BY id DESC))[1] FROM batch
    """  # noqa: S608 - names of ours
    after, done = uuid.UUID(int=0), 0
    while True:
        count, last = fetch_one(sql, [after])
        if not count:
            break
        after, done = last, done + count
        if done % (50 * BATCH) == 0:
            report(f"{done:,} images copied")
    execute(f'ANALYZE "{becomes.table}"')


def _take_its_place(table: VectorTable, becomes: VectorTable) -> None:
    with transaction.atomic():
        VectorSet.objects.filter(pk=table.id).update(is_current=False)
        VectorSet.objects.filter(pk=becomes.id).update(is_current=True)
    forget_sets()
