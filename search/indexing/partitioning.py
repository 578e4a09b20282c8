"""A set of vectors that has outgrown one table is copied into another, of more parts, which then takes its place.

Searches answer from the old one until the new one is whole. New vectors go into both meanwhile (migration 0016).
Whoever is killed on the way leaves a set under construction, with which the next one goes on.
"""

import math
import time
import uuid
from collections.abc import Callable

from django.db import connection, transaction

from search.indexing.building import build_index, drop_index, leave_index, take_index
from search.models import VectorSet
from search.models.vector_sets import REMEMBERED, VectorTable, drop_set, forget_sets, make_set, table_of

MOST_IN_ONE = 1_500_000
"""Vectors that one index holds at most: of more, the greatest `hnsw.ef_search` misses too many (docs/scaling.md)."""
PART = 750_000
"""Vectors of a part, at most, when a set is divided."""
BATCH = 2_000
"""Images whose vectors are copied in one transaction. Who edits one of them waits for its end: some hundredths."""
STILL_SEARCHED = 3 * REMEMBERED
"""Seconds after which no process searches a set any more that is not current."""

Tell = Callable[[str], None]


def parts_for(vectors: int) -> int:
    """Return into how many parts a set of so many vectors is divided: a power of two, so that growing is rare."""
    return 1 if vectors <= MOST_IN_ONE else 1 << math.ceil(math.log2(vectors / PART))


def divide(table: VectorTable, parts: int, tell: Tell) -> VectorTable | None:
    """Copy a set into one of `parts` parts, build its index, and have searches use it; return it.

    Returns None where a load or somebody else is at it.
    """
    if not take_index(table):
        return None
    try:
        becomes = _under_construction(table, parts)
        _copy(table, becomes, tell)
        tell(f"Building the index of {parts} parts")
        build_index(becomes)
        _take_its_place(table, becomes)
    finally:
        leave_index(table)
    time.sleep(STILL_SEARCHED)
    drop_set(table)
    return becomes


def _under_construction(table: VectorTable, parts: int) -> VectorTable:
    """Return the set to copy into: what another process left of one, or a new one without an index."""
    for row in VectorSet.objects.filter(model=table.model, is_current=False):
        left = table_of(row)
        if left.partitions == parts and left.dimensions == table.dimensions:
            return left
        drop_set(left)
    made = make_set(table.model, table.dimensions, parts, current=False)
    drop_index(made)
    return made


def _copy(table: VectorTable, becomes: VectorTable, tell: Tell) -> None:
    """Copy what is missing, in the order of the images' ids.

    A row that is locked is neither deleted nor changed meanwhile: who does that next finds the copy.
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
        with connection.cursor() as cursor:
            cursor.execute(sql, [after])
            count, last = cursor.fetchone()
        if not count:
            break
        after, done = last, done + count
        if done % (50 * BATCH) == 0:
            tell(f"{done:,} images copied")
    with connection.cursor() as cursor:
        cursor.execute(f'ANALYZE "{becomes.table}"')


def _take_its_place(table: VectorTable, becomes: VectorTable) -> None:
    with transaction.atomic():
        VectorSet.objects.filter(pk=table.id).update(is_current=False)
        VectorSet.objects.filter(pk=becomes.id).update(is_current=True)
    forget_sets()
