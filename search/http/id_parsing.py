"""Ids, page numbers and moments in addresses and forms, which anybody may have written."""

import datetime as dt
import uuid

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from search.text.numbers import whole_number

_LAST_PAGE = 10**9


def row_id(text: str) -> int | None:
    """Return the id of a row; None for anything else, also for a number that no id can be."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def uuid_of(text: str) -> uuid.UUID | None:
    """Return a UUID; None for anything else."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def page_number(request: HttpRequest) -> int:
    """Return the page that the URL names; 1 for none, or an invalid one."""
    return whole_number(request.GET.get("page", ""), _LAST_PAGE) or 1


def moment_of(text: str) -> dt.datetime | None:
    """Return a timestamp, in UTC; None for anything else, or outside the range of database and time zones."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment.astimezone(dt.UTC) if moment and moment.tzinfo and 1 < moment.year < 9999 else None
