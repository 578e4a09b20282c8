"""The metadata fields that we keep, each within its limits."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Any, Self

from search.text.untrusted import line, prose

LONGEST_LINE, LONGEST_LINK, LONGEST_PROSE = 300, 2_000, 5_000
LONGEST_NAME = 150
"""Characters of a camera's or lens's name."""
MOST_KEYWORDS, LONGEST_KEYWORD = 50, 60
FARTHEST_OFFSET = 14 * 60
"""Minutes: the largest offset from UTC in use."""


class TakenFrom(StrEnum):
    """Source of the time at which a picture was taken, the most trusted first; the last two are guesses."""

    PERSON = "person"
    TABLE = "table"
    SIDECAR = "sidecar"
    CAMERA = "camera"
    NAME = "name"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class PhotoMetadata:
    """Metadata of one picture. Empty or None means unknown.

    `taken` is local time where the picture was taken, without a zone; `offset` is its offset from UTC in minutes, if
    known. `exposure` is in seconds, `focal_length` in millimetres, `rating` 1 to 5, latitude and longitude in degrees,
    north and east positive.
    """

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    author: str = ""
    licence: str = ""
    source_link: str = ""
    taken: dt.datetime | None = None
    offset: int | None = None
    taken_from: str = ""
    camera: str = ""
    lens: str = ""
    focal_length: float | None = None
    aperture: float | None = None
    exposure: float | None = None
    iso: int | None = None
    rating: int | None = None
    latitude: float | None = None
    longitude: float | None = None

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return these values, without those that are invalid."""
        return cls(
            title=line(values.get("title"), LONGEST_LINE),
            description=prose(values.get("description"), LONGEST_PROSE),
            keywords=_keywords(values.get("keywords")),
            author=line(values.get("author"), LONGEST_LINE),
            licence=line(values.get("licence"), LONGEST_LINE),
            source_link=_link(values.get("source_link")),
            camera=_name(values.get("camera")),
            lens=_name(values.get("lens")),
            focal_length=_within(values.get("focal_length"), 0.1, 100_000),
            aperture=_within(values.get("aperture"), 0.1, 1_000),
            exposure=_within(values.get("exposure"), 1e-7, 1e6),
            iso=_whole(values.get("iso"), 1, 100_000_000),
            rating=_whole(values.get("rating"), 1, 5),
            **_time(values.get("taken"), values.get("offset"), values.get("taken_from")),
            **_place(values.get("latitude"), values.get("longitude")),
        )

    def facts(self) -> dict[str, Any]:
        """Return the known fields as JSON values, for `from_facts`."""
        values = ((name, getattr(self, name)) for name in _names())
        said = {name: value for name, value in values if value or isinstance(value, (int, float))}
        if self.taken:
            said["taken"] = self.taken.isoformat()
        return said

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Return the valid ones of `facts`, which come from a process that may be compromised."""
        return cls.of(**{name: facts[name] for name in _names() if name in facts}) if facts else cls()


NOTHING = PhotoMetadata()


@cache
def _names() -> tuple[str, ...]:
    return tuple(field.name for field in fields(PhotoMetadata))


def number(value: Any) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _within(value: Any, least: float, most: float) -> float | None:
    found = number(value)
    return found if found is not None and least <= found <= most else None


def _whole(value: Any, least: int, most: int) -> int | None:
    found = _within(value, least, most)
    return None if found is None else round(found)


def _name(value: Any) -> str:
    """Return the name of a camera or lens; cameras write "----" for an unknown lens."""
    name = line(value, LONGEST_NAME)
    return name if any(map(str.isalnum, name)) else ""


def _keywords(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return ()
    found: dict[str, str] = {}
    for one in value[: 20 * MOST_KEYWORDS]:
        # Tags are separated by commas in every editor, so none may contain one.
        word = line(one.replace(",", " "), LONGEST_KEYWORD) if isinstance(one, str) else ""
        if word:
            found.setdefault(word.casefold(), word)
    return tuple(found.values())[:MOST_KEYWORDS]


def _link(value: Any) -> str:
    link = line(value, LONGEST_LINK + 1)
    is_link = link.startswith(("http://", "https://")) and " " not in link and len(link) <= LONGEST_LINK
    return link if is_link else ""


def _time(taken: Any, offset: Any, taken_from: Any) -> dict[str, Any]:
    if isinstance(taken, str):
        try:
            taken = dt.datetime.fromisoformat(taken)
        except ValueError:
            taken = None
    if not isinstance(taken, dt.datetime) or taken.tzinfo or taken_from not in set(TakenFrom):
        return {}
    return {"taken": taken, "offset": _offset(offset), "taken_from": str(taken_from)}


def _offset(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and abs(value) <= FARTHEST_OFFSET else None


def _place(latitude: Any, longitude: Any) -> dict[str, Any]:
    north, east = _within(latitude, -90, 90), _within(longitude, -180, 180)
    # 0, 0 is what programs write that know no place.
    if north is None or east is None or (not north and not east):
        return {}
    return {"latitude": round(north, 7), "longitude": round(east, 7)}
