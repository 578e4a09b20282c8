"""Searching by an address: who may, and the way to what fetches."""

from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def may_search_by_address(user: "User | AnonymousUser") -> bool:
    """Whether SEARCH_BY_ADDRESS lets this person have addresses fetched."""
    return settings.SEARCH_BY_ADDRESS == "on" or (settings.SEARCH_BY_ADDRESS == "members" and user.is_authenticated)


def fetch_picture(url: str) -> bytes:
    """Return what is at an http or https address that a stranger gave, as the server sends it: still to be decoded.

    Takes 5 seconds and UPLOAD_MAX_MB at the most. Raises RefusedAddress.
    """
    from search.fetching import fetch  # noqa: PLC0415 - imports httpx2, which takes 0.06 s

    return fetch.fetch_picture(url)
