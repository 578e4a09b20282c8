"""Ids and page numbers in addresses and forms, which anybody may have written."""

import uuid

from django.http import HttpRequest

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
