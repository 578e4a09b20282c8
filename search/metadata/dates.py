"""Parsing of dates as cameras and programs write them; values that can't be a photo's date become None."""

import datetime as dt
import re
from typing import Any, NamedTuple

from search.metadata.photo_metadata import FARTHEST_OFFSET, TakenFrom

_OLDEST = 1826
"""The year of the first photograph: scans of old photos carry their dates."""
_WRITTEN = re.compile(
    r"\s*(\d{4})[:/.-]\s?(\d{1,2})[:/.-]\s?(\d{1,2})"
    r"(?:[T ]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,9})\d*)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?\s*"
)
_OFFSET = re.compile(r"\s*([+-])(\d{1,2}):?(\d{2})\s*|\s*(Z)\s*")
_RESET_HOURS = {(0, 0, 0), (12, 0, 0)}
_RESET_YEARS = range(1980, 2011)
_HALF_HOURS = {-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825}
_ALL_OFFSETS = sorted({60 * hours for hours in range(-12, 15)} | _HALF_HOURS)
"""Offsets from UTC in minutes that are in use somewhere."""


class Moment(NamedTuple):
    """The local time of a clock, and its offset from UTC in minutes if known."""

    wall: dt.datetime
    offset: int | None = None

    @property
    def utc(self) -> dt.datetime | None:
        return None if self.offset is None else self.wall - dt.timedelta(minutes=self.offset)


def dated(moment: Moment | None, source: TakenFrom) -> dict[str, Any]:
    """Return a moment as values of `PhotoMetadata.of`, with where it was read."""
    return {"taken": moment.wall, "offset": moment.offset, "taken_from": source} if moment else {}


def parsed(text: Any, *, offset: Any = None, fraction: Any = None) -> Moment | None:
    """Return the date in a field of EXIF, XMP or IPTC; None for an invalid one, and for one without a day.

    `offset` and `fraction` (digits of a second) are the values of separate fields.
    """
    moment = _moment(text, offset=offset, fraction=fraction)
    return possible(moment) if moment else None


def _moment(text: Any, *, offset: Any = None, fraction: Any = None) -> Moment | None:
    match = _WRITTEN.fullmatch(text.replace("\0", "")) if isinstance(text, str) and len(text) < 64 else None
    if not match:
        return None
    year, month, day, hour, minute, second, parts, zone = match.groups()
    hours = 0 if hour == "24" else int(hour or 0)  # Android's midnight
    digits = parts or (re.sub(r"\D.*", "", fraction.strip()) if isinstance(fraction, str) else "")
    try:
        wall = dt.datetime(  # noqa: DTZ001 - local time of unknown zone
            *(int(year), int(month), int(day), hours, int(minute or 0), min(int(second or 0), 59)),
            int(digits[:6].ljust(6, "0")),
        )
    except ValueError:
        return None
    return Moment(wall, offset_in(zone) if zone else offset_in(offset))


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAIL = re.compile(
    rf"\s*(?:[A-Z][a-z]{{2}},? )?(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d:\d\d:\d\d)"
    r"(?: ([+-]\d{4}|GMT|UTC?|Z))?\s*"
)


def in_mail(text: str) -> Moment | None:
    """Return a date in the format of mail, "Wed, 04 May 2016 03:02:01 +0000", which the PNG standard recommends; else
    None."""
    match = _MAIL.fullmatch(text) if len(text) < 64 else None
    if not match:
        return None
    day, month, year, clock, zone = match.groups()
    offset = zone if zone and zone[0] in "+-" else "Z" if zone else None
    return parsed(f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02} {clock}", offset=offset)


_FORMS = (
    (re.compile(r"(\d{4})\s?년\s?(\d{1,2})\s?월\s?(\d{1,2})\s?일"), r"\1-\2-\3 "),
    (re.compile(r"(\d{4})\s?年\s?(\d{1,2})\s?月\s?(\d{1,2})\s?日"), r"\1-\2-\3 "),
    (re.compile(r"(\d{4})(\d\d)(\d\d)[_T -]?(\d\d)(\d\d)(\d\d)$"), r"\1-\2-\3 \4:\5:\6"),
    (re.compile(r"(\d{4})(\d\d)(\d\d)$"), r"\1-\2-\3"),
    (re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})\b"), r"\3-\2-\1"),  # day first, as in much of Europe
    (re.compile(r"(\d{4})\.\s?(\d{1,2})\.\s?(\d{1,2})\.?(?!\d)"), r"\1-\2-\3"),
)
_UTC = re.compile(r"(?<=\d) ?(?:UTC|GMT)$", re.IGNORECASE)
_WEEKDAY = re.compile(
    r"\s?\([월화수목금토일月火水木金土日]\)|(?<=일) ?[월화수목금토일]요일"
    r"|(?<=日) ?(?:[月火水木金土日]曜日|星期[一二三四五六日])"
    r"|^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}\.?,? (?=\w)",
    re.IGNORECASE,
)
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_YEAR = r"(?P<year>\d{4}|\d\d)\b(?!:)"
_NAMED_MONTHS = (
    re.compile(rf"(?P<day>\d{{1,2}})[-. ]{{1,2}}{_MONTH}[-, ]{{1,2}}{_YEAR},?", re.IGNORECASE),
    re.compile(rf"{_MONTH} (?P<day>\d{{1,2}}),? {_YEAR},?", re.IGNORECASE),
)
_LAST_OF_CENTURY = 29
"""The last two digits up to which spreadsheets take a year for one of this century."""
_CLOCK = re.compile(r"(?<=\d) ?[시時点點] ?(?:(\d{1,2}) ?[분分])? ?(?:(\d{1,2}) ?[초秒])?$")
_NOON = re.compile(
    r"(?P<before>오전|오후|上午|下午|午前|午後|[AP]\.?M\.?)?\s*(?P<hour>\d{1,2})(?P<rest>:\d\d(?::\d\d)?)"
    r"\s*(?P<after>[AP]\.?M\.?)?",
    re.IGNORECASE,
)
_EVENING = ("오후", "下午", "午後")


def typed(text: str) -> Moment | None:
    """Return a date that a person typed into a table, in the formats of spreadsheets; None if it is not a date.

    Unlike in `parsed`, default dates of reset clocks are accepted, since a person wrote them. Dots mean day before
    month; with slashes the order is ambiguous.
    """
    text = _with_numbers(_WEEKDAY.sub("", _UTC.sub("Z", " ".join(text.split())), count=1))
    for pattern, form in _FORMS:
        if pattern.match(text):
            text = pattern.sub(form, text, count=1)
            break
    day, _, clock = text.partition(" ")
    clock = clock.strip()
    moment = _moment(f"{day} {_by_24_hours(clock)}".rstrip())
    return moment if moment and _may_be(moment.wall) else None


def _with_numbers(text: str) -> str:
    """Return a date whose month or clock is in words, such as "3-Jul-14" or "2시 22분", with numbers instead."""
    for pattern in _NAMED_MONTHS:
        if match := pattern.match(text):
            year, month = match["year"], _MONTHS.index(match["month"].title()) + 1
            if len(year) == 2:
                year = f"{20 if int(year) <= _LAST_OF_CENTURY else 19}{year}"
            text = f"{year}-{month:02}-{int(match['day']):02}{text[match.end() :]}"
            break
    return _CLOCK.sub(lambda found: f":{int(found[1] or 0):02}:{int(found[2] or 0):02}", text)


def _by_24_hours(clock: str) -> str:
    match = _NOON.fullmatch(clock)
    mark = ((match["before"] or match["after"] or "") if match else "").lower().replace(".", "")
    if not match or not mark or not 1 <= int(match["hour"]) <= 12:
        return clock
    hour = int(match["hour"]) % 12 + (12 if mark == "pm" or mark in _EVENING else 0)
    return f"{hour:02}{match['rest']}"


def offset_in(text: Any) -> int | None:
    """Return an offset such as "+09:00" in minutes; None if `text` is none."""
    match = _OFFSET.fullmatch(text.replace("\0", "")) if isinstance(text, str) and len(text) < 32 else None
    if not match:
        return None
    sign, hours, minutes, zulu = match.groups()
    found = 0 if zulu else int(sign + "1") * (60 * int(hours) + int(minutes))
    return found if abs(found) <= FARTHEST_OFFSET else None


def of_timestamp(seconds: Any) -> Moment | None:
    """Return the moment of a Unix timestamp in seconds."""
    try:
        wall = dt.datetime.fromtimestamp(float(seconds), dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError, TypeError):
        return None
    return possible(Moment(wall, 0))


def possible(moment: Moment) -> Moment | None:
    """Return the moment, or None if no photo can have been taken then: before photography, in the future, at the
    epochs of programs, or at the default date of a camera whose battery ran out."""
    wall = moment.wall
    if not _may_be(wall) or (wall.year, wall.month, wall.day) in _NEVER:
        return None
    is_reset_day = (wall.month, wall.day) == (1, 1) and wall.year in _RESET_YEARS
    if (is_reset_day or (wall.year, wall.month, wall.day) == (2002, 12, 8)) and (
        (wall.hour, wall.minute, wall.second) in _RESET_HOURS
    ):
        return None
    return moment


def _may_be(wall: dt.datetime) -> bool:
    tomorrow = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(days=1)
    return wall.year >= _OLDEST and wall <= tomorrow


_NEVER = {(1970, 1, 1), (1969, 12, 31), (1904, 1, 1), (1900, 1, 1), (1899, 12, 30)}
"""Epochs of programs."""


def with_offset(local: Moment, utc: dt.datetime, *, tolerance: float) -> Moment | None:
    """Return local time `local` with the offset from UTC that it must have had at `utc`, within `tolerance` seconds;
    None if no zone had that time then."""
    ahead = (local.wall - utc).total_seconds()
    nearest = min(_ALL_OFFSETS, key=lambda minutes: abs(ahead - 60 * minutes))
    return Moment(local.wall, nearest) if abs(ahead - 60 * nearest) <= tolerance else None
