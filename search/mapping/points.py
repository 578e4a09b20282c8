"""The map in binary for browsers.

A header of 8 bytes, "MAP1" and the number of points. Then columns, ordered by id: all ids, 16 bytes each; all x; all
y, scaled by 32,767; the groups; and the days of taking, counted from 1900-01-01, or 0. These are 16-bit big-endian
integers. 24 bytes a point: 2.4 MB for 100,000.
"""

import datetime as dt
import uuid
from collections.abc import Sequence

from search.models import MapLayout
from search.models.arrivals import state
from search.models.sql_statements import fetch_all, fetch_one

MAGIC = b"MAP1"
EPOCH = dt.date(1900, 1, 1)
POINT = 24
_LAST_DAY = 0xFFFF

# Hidden pictures, including the trash, are not on the map. PostgreSQL formats the bytes: reading rows into Python
# would take ten times as long.
_POINTS = """
SELECT count(*), coalesce(string_agg(id, '') || string_agg(xs, '') || string_agg(ys, '') || string_agg(groups, '')
    || string_agg(days, ''), '')
FROM (
    SELECT uuid_send(place.image_id) AS id, int2send((place.x * 32767)::int2) AS xs,
        int2send((place.y * 32767)::int2) AS ys, int2send(place.number::int2) AS groups,
        substring(int4send(CASE WHEN capture.taken IS NULL THEN 0
            ELSE least(%s, greatest(1, capture.taken::date - %s)) END) FROM 3) AS days
    FROM search_mapposition AS place JOIN search_image AS image ON image.id = place.image_id
    LEFT JOIN search_capture AS capture ON capture.image_id = place.image_id
    WHERE place.layout_id = %s AND NOT image.hidden ORDER BY place.image_id
) AS point
"""


def version(layout: MapLayout) -> str:
    """Return a version that changes with the points: with the layout, and when pictures are placed, shown, hidden or
    deleted."""
    at = state()
    return f"{layout.pk}-{layout.revision}-{at.arrived}-{at.changed}"


def points_of(layout: MapLayout) -> bytes:
    """Return all visible points of a layout."""
    count, data = fetch_one(_POINTS, [_LAST_DAY, EPOCH, layout.pk])
    head: bytes = MAGIC + count.to_bytes(4, "big")
    return head + bytes(data)


def counts_of(layout: MapLayout) -> dict[int, int]:
    """Return the number of visible pictures by group."""
    return dict(
        fetch_all(
            "SELECT place.number, count(*) FROM search_mapposition AS place JOIN search_image AS image"
            " ON image.id = place.image_id WHERE place.layout_id = %s AND NOT image.hidden GROUP BY place.number",
            [layout.pk],
        )
    )


def as_bytes(*bands: Sequence[uuid.UUID]) -> bytes:
    """Return several lists of ids: the length of each in 4 bytes, then all ids."""
    heads = b"".join(len(band).to_bytes(4, "big") for band in bands)
    return heads + b"".join(one.bytes for band in bands for one in band)
