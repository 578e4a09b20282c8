"""Add new pictures to the current map, beside their most similar ones. Nothing else moves."""

import threading
import uuid
from collections.abc import Mapping, Sequence

import numpy as np
from django.db import transaction

from search.concurrency.background_threads import keep_doing
from search.embedding import active_model
from search.indexing.query_plan import Plan, joined_index_scan, planned, set_local
from search.mapping.map_building import write_positions
from search.models import Arrival, MapLayout
from search.models.advisory_locks import try_lock
from search.models.sql_statements import fetch_all
from search.models.vector_sets import VectorTable, current_set

PLACE_EACH = 60.0
"""Seconds between two background passes of a server."""
AT_ONCE = 200
_PORTIONS = 10
"""Batches per background pass: 2,000 pictures a minute."""
NEIGHBOURS = 12
_WIDTH = 80
_SCAN = Plan(set_local({"jit": "off", "enable_indexscan": "off"}))
_SHARPNESS = 0.02
"""A neighbour that is less similar than the nearest by this has a weight of 1/e."""
_APART = 0.002
"""Maximum offset from the computed position, in map units, so that copies don't coincide."""
_LOCK = 0x4D4150
"""Advisory lock of the process that places; others skip it."""

Neighbour = tuple[float, float, float, int]
"""Similarity, x, y and group of a neighbour with a position."""


def place_new(stop: threading.Event | None = None, portions: int | None = None) -> int:
    """Place pictures that arrived since the last run, if there is a map; return how many.

    Does nothing while another process is doing it.
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
    """Place new pictures periodically in the background until the returned event is set."""

    def look() -> int:
        return place_new(portions=_PORTIONS)

    return keep_doing(look, every, "map", "New pictures could not be placed on the map")


@transaction.atomic
def _place_some() -> int | None:
    """Place the next batch; None if there is none, or another process is at work."""
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
    """Return, for each of these, its nearest pictures with a position, nearest first."""
    found = _nearest(layout, table, ids, joined_index_scan(_WIDTH))
    # An HNSW search ends after 20,000 rows: if as many nearer ones have no position, or are dead, scan instead.
    if missed := [one for one in ids if one not in found]:
        found |= _nearest(layout, table, missed, _SCAN)
    return found


def _nearest(
    layout: int, table: VectorTable, ids: Sequence[uuid.UUID], plan: Plan
) -> dict[uuid.UUID, list[Neighbour]]:
    distance = table.distance("near", "its")
    found: dict[uuid.UUID, list[Neighbour]] = {}
    with planned(plan):
        rows = fetch_all(
            "SELECT its.image_id, 1 - found.distance, found.x, found.y, found.number"  # noqa: S608 - names are ours
            f" FROM {table.table} AS its CROSS JOIN LATERAL"
            f" (SELECT {distance} AS distance, place.x, place.y, place.number FROM {table.table} AS near"
            " JOIN search_mapposition AS place ON place.image_id = near.image_id AND place.layout_id = %s"
            f" WHERE near.window_index = 0 ORDER BY {distance} LIMIT {NEIGHBOURS:d}) AS found"
            " WHERE its.image_id = ANY(%s) AND its.window_index = 0",
            [layout, list(ids)],
        )
    for image_id, *near in rows:
        found.setdefault(image_id, []).append(tuple(near))
    for one in found.values():
        one.sort(reverse=True)
    return found


def _place(image_id: uuid.UUID, near: Sequence[Neighbour]) -> tuple[float, float, int]:
    """Return the position of a picture: the weighted mean of its neighbours in the group most of them are in, since
    between two groups there is nothing like it."""
    values = np.array(near)
    weights = np.exp((values[:, 0] - values[:, 0].max()) / _SHARPNESS)
    groups = values[:, 3]
    group = max(set(groups.tolist()), key=lambda one: (weights[groups == one].sum(), -one))
    weights = np.where(groups == group, weights, 0)
    middle = weights @ values[:, 1:3] / weights.sum()
    # Derived from the id, so that it is reproducible.
    angle, reach = (image_id.int >> 64) % 6_283 / 1_000, (1 + image_id.int % 1_000) / 1_000
    x, y = middle + _APART * np.sqrt(reach) * np.array([np.cos(angle), np.sin(angle)])
    return float(np.clip(x, -1, 1)), float(np.clip(y, -1, 1)), int(group)
