"""A small map around a point, as SVG in the colours of the page: land, lakes, borders and the largest towns."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from search.places.coastlines import ICE, LAND, Box, Layer, Points, shapes_in
from search.places.towns import Town, towns

WIDTH, HEIGHT = 768, 480
"""Size in units of the drawing, which is displayed about half as large."""
EXTENTS = ((800, 100, Layer.FINE_COAST), (4_000, 500, Layer.COAST))
"""Width of the map in km, length of the scale bar in km, and coastline: the second is used where the first shows only
sea."""
_DEGREE = 111.195
"""Kilometres per degree of latitude."""
_MARGIN = 40
"""Units beyond the frame up to which paths are drawn, so that their strokes don't show along its edge."""
_CANDIDATES, _LABELS = 60, 7
_LETTER, _WIDE_LETTER, _LINE = 14.0, 25.0, 34
"""Size of labels in units: mean width of a letter, of a Korean or Chinese one, and line height."""


_Spots: TypeAlias = npt.NDArray[np.int64]


class Spot(NamedTuple):
    """A point of the drawing, in its units."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    at: Spot
    text: Spot
    anchor: str


@dataclass(frozen=True, slots=True)
class Map:
    """The parts of the drawing; paths are in SVG syntax."""

    land: str
    water: str
    borders: str
    labels: Sequence[Label]
    scale: int
    """Kilometres that the scale bar stands for."""
    bar: int
    """Its length in units."""

    width, height = WIDTH, HEIGHT
    point = Spot(WIDTH // 2, HEIGHT // 2)


class _Projection:
    """Degrees to units: an equirectangular projection, true to scale near its centre."""

    def __init__(self, latitude: float, longitude: float, across: int) -> None:
        """`across` is the width in kilometres."""
        self._units = WIDTH / across * _DEGREE
        east = self._units * max(0.02, math.cos(math.radians(latitude)))
        self._factors, self._middle = np.array([east, -self._units]), np.array([longitude, latitude])
        far, high = min(180.0, (WIDTH / 2 + _MARGIN) / east), (HEIGHT / 2 + _MARGIN) / self._units
        self.box = Box(latitude - high, latitude + high, longitude - far, longitude + far)

    def units(self, points: Points) -> _Spots:
        """Return points as integers, clamped to the margin, without those that make no visible difference."""
        spots = (points - self._middle) * self._factors + np.array([WIDTH / 2, HEIGHT / 2])
        kept: _Spots = np.rint(np.clip(spots, -_MARGIN, np.array([WIDTH, HEIGHT]) + _MARGIN)).astype(np.int64)
        moved = np.ones(len(kept), dtype=bool)
        moved[1:] = (kept[1:] != kept[:-1]).any(axis=1)
        kept = kept[moved]
        if len(kept) < 3:
            return kept
        # Drop points between others along one side of the margin.
        aside = (kept[1:-1] == kept[:-2]) & (kept[1:-1] == kept[2:]) & _is_margin(kept[1:-1])
        seen: npt.NDArray[np.bool_] = np.concatenate([[True], ~aside.any(axis=1), [True]])
        return kept[seen]

    def spot(self, town: Town) -> Spot:
        east = (town.longitude - self._middle[0] + 180) % 360 - 180
        x, y = np.array([east, town.latitude - self._middle[1]]) * self._factors
        return Spot(round(WIDTH / 2 + x), round(HEIGHT / 2 + y))

    def length(self, kilometres: int) -> int:
        return round(kilometres / _DEGREE * self._units)


def _is_margin(spots: _Spots) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (spots == -_MARGIN) | (spots == np.array([WIDTH, HEIGHT]) + _MARGIN)
    return found


def map_around(latitude: float, longitude: float, called: Callable[[Sequence[Town]], list[str]] | None = None) -> Map:
    """Return the map around a point in degrees. `called` returns the towns' labels; by default they are the names in
    GeoNames."""
    for across, scale, coast in EXTENTS:
        drawn = _drawn(_Projection(latitude, longitude, across), scale, coast, called or _by_name)
        if drawn.land:
            break
    return drawn


def _by_name(found: Sequence[Town]) -> list[str]:
    return [one.name for one in found]


def _drawn(projection: _Projection, scale: int, coast: Layer, called: Callable[[Sequence[Town]], list[str]]) -> Map:
    land: list[str] = []
    water: list[str] = []
    for kind, points in shapes_in(coast, projection.box):
        # Islands in lakes are land again, and come after the lakes in the file.
        (land if kind in (LAND, ICE) else water).append(_path(projection.units(points), closed=True))
    borders = [_path(projection.units(points)) for _kind, points in shapes_in(Layer.BORDER, projection.box)]
    return Map(
        land="".join(land),
        water="".join(water),
        borders="".join(borders),
        labels=list(_labels(projection, projection.length(scale), called)),
        scale=scale,
        bar=projection.length(scale),
    )


def _path(spots: _Spots, *, closed: bool = False) -> str:
    if len(spots) < (3 if closed else 2):
        return ""
    steps = np.diff(spots, axis=0)
    line = " ".join(f"{x} {y}" for x, y in steps.tolist())
    return f"M{spots[0][0]} {spots[0][1]}l{line}{'z' if closed else ''}"


def _labels(projection: _Projection, bar: int, called: Callable[[Sequence[Town]], list[str]]) -> Iterator[Label]:
    """Yield labels for the largest towns for which there is room."""
    # Keep the point and the scale bar free.
    taken = [
        (WIDTH / 2 - 18, HEIGHT / 2 - 18, WIDTH / 2 + 18, HEIGHT / 2 + 18),
        (0, HEIGHT - 60, bar + 130, HEIGHT),
    ]
    count = 0
    found = towns().within(*projection.box, most=_CANDIDATES)
    for town, name in zip(found, called(found), strict=True):
        spot = projection.spot(town)
        width = sum(_WIDE_LETTER if ord(letter) > 0x2E80 else _LETTER for letter in name)
        for anchor, left in (("start", spot.x + 10), ("end", spot.x - 10 - width)):
            rectangle = (min(left, spot.x - 8), spot.y - _LINE / 2, max(left + width, spot.x + 8), spot.y + _LINE / 2)
            if _fits(rectangle, taken):
                taken.append(rectangle)
                text = Spot(spot.x + (10 if anchor == "start" else -10), spot.y + 8)
                yield Label(name, spot, text, anchor)
                count += 1
                break
        if count == _LABELS:
            return


_Rectangle = tuple[float, float, float, float]


def _fits(one: _Rectangle, taken: Sequence[_Rectangle]) -> bool:
    """Whether the rectangle is within the frame, and overlaps none in `taken`."""
    left, top, right, bottom = one
    if left < 8 or top < 8 or right > WIDTH - 8 or bottom > HEIGHT - 8:
        return False
    return all(right < other[0] or other[2] < left or bottom < other[1] or other[3] < top for other in taken)
