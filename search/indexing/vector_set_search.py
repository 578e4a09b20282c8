"""Search and retrieval of vectors in any set, of the active model or not.

Only pictures that everybody may see. Of a picture with several windows, the nearest counts.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from search.indexing.query_plan import index_scan, planned
from search.indexing.ranks_of_judged_pictures import Chunk
from search.models import Image
from search.models.querysets import ImageQuerySet
from search.models.sql_statements import fetch_all, fetch_column, fetch_value
from search.models.vector_sets import VectorTable
from search.models.vector_values import Vector, Vectors, as_text

EXACT_UP_TO = 100_000
"""Rows up to which a set is scanned, in less than a second; larger sets are searched by their index."""
_PIECE = 5_000
"""Pictures whose vectors are fetched at once: 10 MB with 1,000 dimensions."""
_MOST_BY_INDEX = 1_000


class Near(NamedTuple):
    id: uuid.UUID
    similarity: float


def nearest(table: VectorTable, vector: Vector, count: int, among: ImageQuerySet | None = None) -> list[Near]:
    """Return the `count` pictures nearest to a unit vector, nearest first: of the set, or `among` some."""
    by_index = among is None and table.vectors > EXACT_UP_TO
    fetched = 2 * count  # a picture with windows comes several times
    while True:
        rows = _by_index(table, vector, fetched) if by_index else _scanned(table, vector, fetched, among)
        found: dict[uuid.UUID, float] = {}
        for image_id, distance in rows:
            found[image_id] = min(distance, found.get(image_id, distance))
        if len(found) >= count or len(rows) < fetched or (by_index and fetched >= _MOST_BY_INDEX):
            order = sorted(found.items(), key=lambda one: (one[1], one[0]))
            return [Near(image_id, 1 - distance) for image_id, distance in order[:count]]
        fetched *= 2


def _scanned(
    table: VectorTable, vector: Vector, count: int, among: ImageQuerySet | None
) -> list[tuple[uuid.UUID, float]]:
    images = Image.objects.shown() if among is None else among
    allowed, values = images.order_by().values("pk").query.sql_with_params()
    # Not by the distance alone, or the planner might use the index.
    rows: list[tuple[uuid.UUID, float]] = fetch_all(
        f"SELECT image_id, {_distance(table)} AS distance FROM {table.table}"  # noqa: S608 - our own name
        f" WHERE image_id IN ({allowed}) ORDER BY {_distance(table)} + 0, image_id LIMIT {count:d}",
        [as_text(vector), *values, as_text(vector)],
    )
    return rows


def _by_index(table: VectorTable, vector: Vector, count: int) -> list[tuple[uuid.UUID, float]]:
    with planned(index_scan(count, table.vectors)):
        rows: list[tuple[uuid.UUID, float]] = fetch_all(
            f"SELECT image_id, {_distance(table)} AS distance FROM {table.table} JOIN search_image"  # noqa: S608
            f" ON search_image.id = image_id WHERE NOT hidden ORDER BY {_distance(table)} LIMIT {count:d}",
            [as_text(vector)] * 2,
        )
    return rows


def _distance(table: VectorTable) -> str:
    # The same expression as the index's.
    return f"(search_imagevector_s{table.id}.embedding::halfvec({table.dimensions}) <=> %s::halfvec)"


def pictures_in(table: VectorTable) -> tuple[int, bool]:
    """Return the number of pictures with a vector in the set, and whether it is exact: for large sets it is an
    estimate."""
    if table.vectors > EXACT_UP_TO:
        return table.vectors - table.windows, False
    count = fetch_value(f"SELECT count(*) FROM {table.table} WHERE window_index = 0")  # noqa: S608
    return count, True


def vectors_of(table: VectorTable, ids: Sequence[uuid.UUID], *, whole: bool = False) -> dict[uuid.UUID, Vectors]:
    """Return the vectors of these pictures, each of shape (windows, dimensions), with that of the whole picture first;
    only that with `whole`. Pictures without vectors are left out."""
    keys: list[uuid.UUID] = []
    rows: list[bytes] = []
    for start in range(0, len(ids), _PIECE):
        found = fetch_all(
            # In binary: parsing a vector's text takes longer than comparing it.
            f"SELECT image_id, halfvec_send(embedding) FROM {table.table} WHERE image_id = ANY(%s)"  # noqa: S608
            f"{' AND window_index = 0' if whole else ''} ORDER BY image_id, window_index",
            [list(ids[start : start + _PIECE])],
        )
        for image_id, sent in found:
            keys.append(image_id)
            rows.append(bytes(sent))
    vectors = _read(rows, table.dimensions)
    starts = [number for number, key in enumerate(keys) if number == 0 or key != keys[number - 1]]
    ends = [*starts, len(keys)][1:]
    return {keys[start]: vectors[start:end] for start, end in zip(starts, ends, strict=True)}


def _read(rows: Sequence[bytes], dimensions: int) -> Vectors:
    # Two 16-bit integers precede the halves: their number, and an unused one.
    halves = np.frombuffer(b"".join(rows), dtype=">f2").reshape(-1, dimensions + 2)
    vectors: Vectors = halves[:, 2:].astype(np.float32)
    # Halves are rounded, so their length is only about 1.
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def common_pictures(first: VectorTable, second: VectorTable) -> list[list[uuid.UUID]]:
    """Return the ids of shown pictures with vectors in both sets, in order, in pieces."""
    ids = fetch_column(
        f"SELECT id FROM search_image JOIN {first.table} AS one ON one.image_id = id AND one.window_index = 0"  # noqa: S608
        f" JOIN {second.table} AS other ON other.image_id = id AND other.window_index = 0"
        " WHERE NOT hidden ORDER BY id"
    )
    return [ids[start : start + _PIECE] for start in range(0, len(ids), _PIECE)]


def chunks(table: VectorTable, pieces: Sequence[Sequence[uuid.UUID]]) -> Iterator[Chunk]:
    """Yield the vectors of these pictures in the set, one piece at a time."""
    for ids in pieces:
        found = vectors_of(table, ids)
        if found:
            yield Chunk.of(found)
