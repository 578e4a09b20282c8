"""Outliers: pictures far from all others, found by their nearest neighbour, some thousand pictures per check.

The threshold adapts to the collection, as models differ: three interquartile ranges below the lower quartile of
similarities (Tukey's outer fence). Candidates are measured again, since a similar picture may have arrived meanwhile,
and so is a part of the others in each check, since a neighbour may be gone.
"""

import secrets
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from search.embedding import active_model
from search.indexing.query_plan import joined_index_scan, planned
from search.models.sql_statements import execute, fetch_all, fetch_column, fetch_one
from search.models.vector_sets import VectorTable, current_set

AT_ONCE = 200
PER_CHECK = 20_000
"""Pictures measured per check, besides those measured again."""
FEWEST = 100
"""Minimum number of pictures: in a small collection each would be far from the others."""
_SUSPECTS = 1_000
_PARTS = 32
"""Of the pictures measured before, one part of this many is measured again."""
_WIDTH = 40


def find_outliers() -> dict[str, Any]:
    """Run a check; return the numbers of pictures `measured` in total, `left` to measure, and of `outliers`."""
    table = current_set(active_model())
    if table is None:
        return {"measured": 0, "left": 0, "outliers": 0, "fence": None}
    _forget_others(table)
    for ids in _some(_part(table)):
        _measure(ids, table)
    looked = 0
    for ids in _some(_unmeasured(table, PER_CHECK)):
        _measure(ids, table)
        looked += len(ids)
    if fence := _fence(table):
        for ids in _some(_below(fence, table)):
            _measure(ids, table)
    fence = _fence(table)
    outliers, measured = _mark(fence, table)
    left = max(0, len(_unmeasured(table, PER_CHECK + 1)))
    return {"measured": measured, "left": left, "outliers": outliers, "fence": fence}


def _some(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def _forget_others(table: VectorTable) -> None:
    execute("DELETE FROM search_isolation WHERE set_id <> %s", [table.id])
    execute("DELETE FROM search_isolation AS its USING search_trashed AS gone WHERE gone.image_id = its.image_id")


def _part(table: VectorTable) -> list[uuid.UUID]:
    first = secrets.randbelow(_PARTS) * (2**128 // _PARTS)
    ends = [uuid.UUID(int=first), uuid.UUID(int=first + 2**128 // _PARTS - 1)]
    return fetch_column(
        "SELECT image_id FROM search_isolation WHERE image_id BETWEEN %s AND %s LIMIT %s", [*ends, PER_CHECK]
    )


def _unmeasured(table: VectorTable, most: int) -> list[uuid.UUID]:
    return fetch_column(
        f"SELECT image_id FROM {table.table} AS its WHERE window_index = 0"  # noqa: S608 - the name is ours
        " AND NOT EXISTS (SELECT FROM search_isolation WHERE image_id = its.image_id)"
        " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = its.image_id) LIMIT %s",
        [most],
    )


def _below(fence: float, table: VectorTable) -> list[uuid.UUID]:
    return fetch_column(
        "SELECT image_id FROM search_isolation WHERE set_id = %s AND similarity < %s ORDER BY similarity LIMIT %s",
        [table.id, fence, _SUSPECTS],
    )


def _measure(ids: Sequence[uuid.UUID], table: VectorTable) -> None:
    """Store the similarity of each picture's nearest neighbour; -1 if there is none."""
    distance = table.distance("near", "its")
    with planned(joined_index_scan(_WIDTH)):
        rows = fetch_all(
            f"SELECT its.image_id, 1 - coalesce(found.distance, 2)"  # noqa: S608 - names are ours
            f" FROM {table.table} AS its LEFT JOIN LATERAL"
            f" (SELECT {distance} AS distance FROM {table.table} AS near"
            " WHERE near.window_index = 0 AND near.image_id <> its.image_id"
            " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = near.image_id)"
            f" ORDER BY {distance} LIMIT 1) AS found ON true"
            " WHERE its.image_id = ANY(%s) AND its.window_index = 0",
            [list(ids)],
        )
    # Ordered by key; deleted pictures are skipped.
    execute(
        "INSERT INTO search_isolation (image_id, set_id, similarity)"
        " SELECT given.id, %s, given.similarity FROM unnest(%s::uuid[], %s::float8[]) AS given (id, similarity)"
        " JOIN search_image AS its ON its.id = given.id ORDER BY given.id FOR KEY SHARE OF its"
        " ON CONFLICT (image_id) DO UPDATE SET set_id = excluded.set_id, similarity = excluded.similarity",
        [table.id, [row[0] for row in rows], [row[1] for row in rows]],
    )


def _fence(table: VectorTable) -> float | None:
    count, quartiles = fetch_one(
        "SELECT count(*), percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY similarity)"
        " FROM search_isolation WHERE set_id = %s",
        [table.id],
    )
    if count < FEWEST:
        return None
    lower, upper = quartiles
    return float(lower - 3 * (upper - lower))


def _mark(fence: float | None, table: VectorTable) -> tuple[int, int]:
    """Mark those below the fence; return their number, and that of measured pictures."""
    execute(
        "UPDATE search_isolation SET is_outlier = NOT is_outlier WHERE set_id = %s"
        " AND is_outlier <> (similarity < %s)",
        [table.id, -2.0 if fence is None else fence],
    )
    outliers, measured = fetch_one(
        "SELECT count(*) FILTER (WHERE is_outlier), count(*) FROM search_isolation WHERE set_id = %s", [table.id]
    )
    return outliers, measured
