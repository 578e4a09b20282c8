"""Build the whole map: read vectors, compute a layout in memory, write it beside the current one, then switch.

If killed, the current map stays, and the next build deletes the leftover rows.
"""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from django.utils import timezone

from search.embedding import active_model
from search.mapping import layout as tsne
from search.mapping.cluster_names import Name, names_of
from search.mapping.clustering import Labels, grouped
from search.mapping.layout import Positions
from search.models import Arrival, MapGroup, MapLayout, MapPosition
from search.models.accepted_models import accepted_names
from search.models.arrivals import state
from search.models.conflicts import retried
from search.models.sql_statements import execute, fetch_one
from search.models.vector_sets import VectorTable, current_set
from search.models.vector_values import Vectors

SAMPLES = 12
"""Pictures stored as samples of a group, as some may be hidden later."""
OUTGROWN = 0.2
"""Share of pictures added after the layout was computed from which the map is rebuilt."""
_AT_ONCE = 5_000
_ABANDONED = dt.timedelta(hours=2)
_HELD = 0.5
"""Share of an old group's pictures that a group must contain to take over its number."""

HOW_TO_INSTALL = "Building a map needs openTSNE: `pip install -r requirements-map.txt`."

OnDoing = Callable[[str], None]


class NotInstalled(Exception):
    """openTSNE is missing. The message says how to install it."""


class NotEnough(Exception):
    """No searchable picture has a vector."""


@dataclass(frozen=True, slots=True)
class Built:
    pictures: int
    groups: int


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The layout to write: position and group of each picture; centre, name and number of each group."""

    ids: Sequence[uuid.UUID]
    positions: Positions
    labels: Labels
    middles: Positions
    names: Sequence[Name]
    numbers: Sequence[int]


def can_build() -> bool:
    return tsne.is_there()


def has_map() -> bool:
    return MapLayout.current() is not None


def is_due() -> bool:
    """Whether the map is missing, was made with another model, or too many pictures were added since."""
    layout = MapLayout.current()
    if layout is None or layout.model != active_model():
        return True
    placed = MapPosition.objects.filter(layout=layout).count() - layout.laid_out
    waiting = Arrival.objects.filter(searchable__gt=layout.placed_up_to).count()
    return placed + waiting > OUTGROWN * max(1, layout.laid_out)


def build(on_doing: OnDoing, stop: threading.Event) -> Built | None:
    """Compute and publish the layout of all searchable pictures; None if stopped.

    Raises NotInstalled and NotEnough.
    """
    if not tsne.is_there():
        raise NotInstalled(HOW_TO_INSTALL)
    arrived, before = state().arrived, MapLayout.current()
    table = current_set(active_model())
    ids, vectors = _vectors(table) if table else ([], np.zeros((0, 1), np.float32))
    if not ids or table is None:
        raise NotEnough("No searchable picture has a vector yet: run `manage.py embed_pending`.")
    known = _positions_in(before) if before and before.model == table.model else {}
    on_doing(f"Finding the nearest neighbours of {len(ids):,} pictures")
    positions = tsne.positions_of(vectors, lambda done: _on_iteration(done, on_doing, stop), _start(ids, known))
    if positions is None or stop.is_set():
        return None
    on_doing("Clustering")
    labels, middles = grouped(positions)
    numbers = _numbers(ids, labels, len(middles), {one: number for one, (_x, _y, number) in known.items()})
    names = names_of(ids, vectors, labels)
    on_doing("Writing it")
    _write(_Drawn(ids, positions, labels, middles, names, numbers), table.model, arrived)
    return Built(len(ids), len(middles))


def _on_iteration(done: int, on_doing: OnDoing, stop: threading.Event) -> bool:
    on_doing(f"Computing the layout: iteration {done:,} of {sum(tsne.ROUNDS):,}")
    return stop.is_set()


def _vectors(table: VectorTable) -> tuple[list[uuid.UUID], Vectors]:
    """Return the searchable pictures in the order of their ids, with unit vectors."""
    ids: list[uuid.UUID] = []
    parts: list[Vectors] = []
    last = uuid.UUID(int=0)
    while True:
        # In binary: parsing 512 numbers as text takes longer than the query.
        some, data = fetch_one(
            "SELECT array_agg(image_id), string_agg(halfvec_send(embedding), ''::bytea) FROM"  # noqa: S608 - names are ours
            f" (SELECT its.image_id, its.embedding FROM {table.table} AS its JOIN search_image AS image"
            " ON image.id = its.image_id WHERE its.window_index = 0 AND its.image_id > %s AND NOT image.hidden"
            " AND image.embedding_model = ANY(%s) ORDER BY its.image_id LIMIT %s) AS found",
            [last, list(accepted_names(table.model)), _AT_ONCE],
        )
        if not some:
            break
        # halfvec's binary format begins with two 16-bit integers; all numbers are big-endian.
        rows = np.frombuffer(bytes(data), dtype=">f2").reshape(len(some), table.dimensions + 2)[:, 2:]
        parts.append(rows.astype(np.float32))
        ids += some
        last = some[-1]
    vectors = np.concatenate(parts) if parts else np.zeros((0, table.dimensions), np.float32)
    return ids, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _positions_in(layout: MapLayout) -> dict[uuid.UUID, tuple[float, float, int]]:
    rows = MapPosition.objects.filter(layout=layout).values_list("image_id", "x", "y", "number")
    return {image_id: (x, y, number) for image_id, x, y, number in rows}


def _start(ids: Sequence[uuid.UUID], known: Mapping[uuid.UUID, tuple[float, float, int]]) -> Positions | None:
    """Return positions in the previous layout as a start, so that the map stays recognisable; None if few pictures
    were in it. New pictures start in the middle."""
    here = np.array([known[one][:2] if one in known else (np.nan, np.nan) for one in ids])
    is_new = np.isnan(here[:, 0])
    if is_new.mean() > OUTGROWN:
        return None
    here[is_new] = 0.0
    return here


def _numbers(ids: Sequence[uuid.UUID], labels: Labels, groups: int, before: Mapping[uuid.UUID, int]) -> Sequence[int]:
    """Return the number of each group: that of the previous group with which it shares most pictures of both,
    otherwise a new one."""
    old = np.array([before.get(one, 0) for one in ids], dtype=np.int64)
    found: dict[int, int] = {}
    for group in range(groups):
        within = np.bincount(old[labels == group], minlength=1)
        within[0] = 0
        number = int(within.argmax())
        if number and within[number] > _HELD * max((old == number).sum(), (labels == group).sum()):
            found[group] = number
    used = set(found.values())
    highest = max(before.values(), default=0)
    if highest > 20_000:  # renumber before the column overflows
        used, found, highest = set(), {}, 0
    fresh = (number for number in range(highest + 1, highest + groups + 1) if number not in used)
    return [found.get(group) or next(fresh) for group in range(groups)]


def _write(drawn: _Drawn, model: str, arrived: int) -> None:
    """Write a layout and make it current. Only the last step is visible."""
    MapLayout.objects.filter(is_current=False, created__lt=timezone.now() - _ABANDONED).delete()
    layout = MapLayout.objects.create(model=model, placed_up_to=arrived, laid_out=len(drawn.ids))
    MapGroup.objects.bulk_create(_groups(layout, drawn))
    numbers = np.array(drawn.numbers)[drawn.labels]
    for start in range(0, len(drawn.ids), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        rows = (drawn.ids[part], *(drawn.positions[part, axis].tolist() for axis in (0, 1)), numbers[part].tolist())
        retried(lambda rows=rows: write_positions(layout.pk, *rows))  # type: ignore[misc]
    with transaction.atomic():
        old = MapLayout.objects.filter(is_current=True).exclude(pk=layout.pk)
        gone = list(old.select_for_update().values_list("pk", flat=True))
        old.update(is_current=False)
        MapLayout.objects.filter(pk=layout.pk).update(is_current=True)
    # Not through Django, which would read each row before deleting it.
    execute("DELETE FROM search_mapposition WHERE layout_id = ANY(%s)", [gone])
    MapLayout.objects.filter(pk__in=gone).delete()


@transaction.atomic
def write_positions(
    layout: int, ids: Sequence[uuid.UUID], x: Sequence[float], y: Sequence[float], numbers: Sequence[int]
) -> int:
    """Write positions, except of images that are gone or have one already; return how many were written."""
    return execute(
        "INSERT INTO search_mapposition (layout_id, image_id, x, y, number)"
        " SELECT %s, given.id, given.x, given.y, given.number"
        " FROM unnest(%s::uuid[], %s::float8[], %s::float8[], %s::smallint[]) AS given (id, x, y, number)"
        " JOIN search_image AS image ON image.id = given.id ORDER BY given.id ON CONFLICT DO NOTHING",
        [layout, list(ids), list(x), list(y), list(numbers)],
    )


def _groups(layout: MapLayout, drawn: _Drawn) -> list[MapGroup]:
    groups = []
    for group, (middle, name) in enumerate(zip(drawn.middles, drawn.names, strict=True)):
        within = np.flatnonzero(drawn.labels == group)
        far = np.linalg.norm(drawn.positions[within] - middle, axis=1)
        samples = [drawn.ids[one] for one in within[np.argsort(far, kind="stable")[:SAMPLES]]]
        groups.append(
            MapGroup(
                layout=layout,
                number=drawn.numbers[group],
                x=float(middle[0]),
                y=float(middle[1]),
                name=name.name[:200],
                korean_name=name.korean[:200],
                samples=samples,
            )
        )
    return groups
