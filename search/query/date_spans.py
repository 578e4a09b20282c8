"""Date ranges as people write them: 2023, 2023-07, 2023-07-14, 2023-07..2023-09, 2023.., ..2020-03."""

import calendar
import datetime as dt
import re
from typing import NamedTuple

FIRST_YEAR, LAST_YEAR = 1000, 9000
"""Beyond these years midnight is not representable in every time zone."""

_DAYS = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)


class Span(NamedTuple):
    """From the first day to the last, both included; None for an open end."""

    first: dt.date | None
    last: dt.date | None

    def __str__(self) -> str:
        """The shortest notation."""
        if self.first is None or self.last is None:
            return f"{self.first or ''}..{self.last or ''}"
        if self == year_of(self.first.year):
            return self.first.isoformat()[:4]
        if self == month_of(self.first.year, self.first.month):
            return self.first.isoformat()[:7]
        return self.first.isoformat() if self.first == self.last else f"{self.first}..{self.last}"


def read_span(text: str) -> Span | None:
    """Return the range in `text`; None if it is none, or ends before it begins."""
    first, dots, last = text.partition("..")
    if not dots:
        return _period(text)
    begin, end = _period(first), _period(last)
    if (first and not begin) or (last and not end) or not (begin or end):
        return None
    span = Span(begin and begin.first, end and end.last)
    return None if span.first and span.last and span.first > span.last else span


def year_of(year: int) -> Span:
    return Span(dt.date(year, 1, 1), dt.date(year, 12, 31))


def month_of(year: int, month: int) -> Span:
    return Span(dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1]))


def _period(text: str) -> Span | None:
    """Return the year, month or day in `text`."""
    found = _DAYS.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(part) if part else None for part in found.groups())
    if year is None or not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        if month is None:
            return year_of(year)
        if day is None:
            return month_of(year, month)
        return Span(dt.date(year, month, day), dt.date(year, month, day))
    except (ValueError, calendar.IllegalMonthError):
        return None
