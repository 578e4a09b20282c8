"""New pictures on a map that is there: beside those that are most like them. Nothing else moves."""

import threading
import uuid
from collections.abc import Mapping, Sequence

import numpy as np
from django.db import connection, transaction

from search.concurrency.background import keep_doing
from search.embedding import active_model
from search.indexing.query_plan import Plan, joined_index_scan, planned, set_local
from search.mapping.building import write_positions
from search.models import Arrival, MapLayout
from search.models.database import try_lock
from search.models.vector_sets import VectorTable, current_set

PLACE_EACH = 60.0
"""Seconds between two looks of a server for what is new."""
AT_ONCE = 200
_PORTIONS = 10
"""In one look of a server, which has other things to do: 2,000 pictures a minute."""
NEIGHBOURS = 12
_WIDTH = 80
_SCAN = Plan(set_local({"jit": "off", "enable_indexscan": "off"}))
_SHARPNESS = 0.02
"""A neighbour that is less similar than the nearest by this counts for a third."""
_APART = 0.002
"""By so much of the map pictures are put beside where they belong, so that copies don't lie upon each other."""
_LOCK = 0x4D4150
"""Of the one that places: the others need not."""

Neighbour = tuple[float, float, float, int]
"""Similarity, x, y and group of a picture that has its place."""


def place_new(stop: threading.Event | None = None, portions: int | None = None) -> int:
    """Place what has arrived since the last time, where there is a map; return how many pictures were placed.

    Where another process is at it, it is left to that.
    """
    placed = 0
    while (portions is None or portions > 0) and not (stop and stop.is_set()):
        done = _place_some()
        if done is None:
            break
        placed += done
        portions = None if portions is None else portions - 1
    return placed


def keep_placing(every: float = PLACE_EACH) -> threading.Event:
    """Place new pictures in the background, now and then, until the event that is returned is set."""

    def look() -> int:
        return place_new(portions=_PORTIONS)

    return keep_doing(look, every, "map", "New pictures could not be put on the map")


@transaction.atomic
def _place_some() -> int | None:
    """Place the next ones; None where there are none, or somebody else is at it."""
    if not try_lock(_LOCK):
        return None
    layout, table = MapLayout.current(), current_set(active_model())
    if layout is None or table is None:
        return None
    arrived = Arrival.objects.filter(searchable__gt=layout.placed_up_to).order_by("searchable")
    new = list(arrived.values_list("image_id", "searchable")[:AT_ONCE])
    if not new:
        return None
    places = {one: _place(one, near) for one, near in neighbours(layout.pk, table, [one for one, _ in new]).items()}
    ids = sorted(places)
    written = write_positions(layout.pk, ids, *([places[one][part] for one in ids] for part in range(3)))  # type: ignore[arg-type]
    MapLayout.objects.filter(pk=layout.pk).update(placed_up_to=new[-1][1], revision=layout.revision + 1)
    return written


def neighbours(layout: int, table: VectorTable, ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, list[Neighbour]]:
    """Return of each of these the nearest that have a place, the nearest first."""
    found = _nearest(layout, table, ids, joined_index_scan(_WIDTH))
    # A walk ends after 20,000 rows: where so many nearer ones have no place, or are dead, those that have are read.
    if missed := [one for one in ids if one not in found]:
        found |= _nearest(layout, table, missed, _SCAN)
    return found


def _nearest(
    layout: int, table: VectorTable, ids: Sequence[uuid.UUID], plan: Plan
) -> dict[uuid.UUID, list[Neighbour]]:
    distance = table.distance("near", "its")
    found: dict[uuid.UUID, list[Neighbour]] = {}
    with planned(plan), connection.cursor() as cursor:
        cursor.execute(
            "SELECT its.image_id, 1 - found.distance, found.x, found.y, found.number"  # noqa: S608 - names are ours
            f" FROM {table.table} AS its CROSS JOIN LATERAL"
            f" (SELECT {distance} AS distance, place.x, place.y, place.number FROM {table.table} AS near"
            " JOIN search_mapposition AS place ON place.image_id = near.image_id AND place.layout_id = %s"
            f" WHERE near.window_index = 0 ORDER BY {distance} LIMIT {NEIGHBOURS:d}) AS found"
            " WHERE its.image_id = ANY(%s) AND its.window_index = 0",
            [layout, list(ids)],
        )
        for image_id, *near in cursor.fetchall():
            found.setdefault(image_id, []).append(tuple(near))
    for one in found.values():
        one.sort(reverse=True)
    return found


def _place(image_id: uuid.UUID, near: Sequence[Neighbour]) -> tuple[float, float, int]:
    """Return where a picture belongs: among its neighbours of the group that most of them are in, since the middle of
    two groups is a place where nothing like it lies."""
    values = np.array(near)
    weights = np.exp((values[:, 0] - values[:, 0].max()) / _SHARPNESS)
    groups = values[:, 3]
    group = max(set(groups.tolist()), key=lambda one: (weights[groups == one].sum(), -one))
    weights = np.where(groups == group, weights, 0)
    middle = weights @ values[:, 1:3] / weights.sum()
    # By its id, so that it is the same wherever it is computed.
    angle, reach = (image_id.int >> 64) % 6_283 / 1_000, (1 + image_id.int % 1_000) / 1_000
    x, y = middle + _APART * np.sqrt(reach) * np.array([np.cos(angle), np.sin(angle)])
    return float(np.clip(x, -1, 1)), float(np.clip(y, -1, 1)), int(group)
