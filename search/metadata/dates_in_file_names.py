"""Dates in file names, as phones, messengers and screenshot programs write them."""

import datetime as dt
import re

from search.metadata.dates import Moment, of_timestamp, possible
from search.metadata.photo_metadata import PhotoMetadata, TakenFrom

_DAY = r"((?:19|20)\d\d)(?P<mark>[-_.]?)(0[1-9]|1[0-2])(?P=mark)(0[1-9]|[12]\d|3[01])"
_TIME = r"([01]\d|2[0-3])(?P<colon>[-_.:h]?)([0-5]\d)[-_.:m]?([0-5]\d)(?:[-_.]?(\d{3}))?(?:(?=\D)|$)"
_DATED = re.compile(rf"(?<!\d){_DAY}(?:(?:[-_ T.]|\s?at\s?|,\s?|\s-\s)*{_TIME}|(?!\d))", re.IGNORECASE)
_MILLISECONDS = re.compile(r"(?<!\d)(1\d{12})(?!\d)")
_EARLIEST = dt.datetime(2005, 1, 1)  # noqa: DTZ001 - local time of unknown zone
_IN_UTC = ("pxl_",)
"""Prefixes of names whose time is in UTC: those of Google's phones."""


def from_name(path: str) -> PhotoMetadata:
    """Return the date in a file's name, if any; names of folders are ignored."""
    name = re.split(r"[/\\]", path)[-1][-300:]
    moment = _dated(name) or _counted(name)
    if moment is None:
        return PhotoMetadata()
    return PhotoMetadata(taken=moment.wall, offset=moment.offset, taken_from=TakenFrom.NAME)


def _dated(name: str) -> Moment | None:
    for match in _DATED.finditer(name):
        year, _, month, day, hour, _, minute, second, parts = match.groups()
        try:
            clock = (int(hour), int(minute), int(second), int(parts or 0) * 1000) if hour else ()
            wall = dt.datetime(int(year), int(month), int(day), *clock)  # noqa: DTZ001 - local time of unknown zone
        except ValueError:
            continue
        is_utc = bool(hour) and name.casefold().startswith(_IN_UTC)
        if found := possible(Moment(wall, 0 if is_utc else None)):
            return found
    return None


def _counted(name: str) -> Moment | None:
    match = _MILLISECONDS.search(name)
    moment = of_timestamp(int(match[1]) / 1000) if match else None
    return moment if moment and moment.wall >= _EARLIEST else None
