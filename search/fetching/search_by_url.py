"""Search by URL: permission, and a late import of what fetches."""

from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def may_search_by_address(user: "User | AnonymousUser") -> bool:
    """Whether SEARCH_BY_ADDRESS allows this user to search by URL."""
    return settings.SEARCH_BY_ADDRESS == "on" or (settings.SEARCH_BY_ADDRESS == "members" and user.is_authenticated)


def fetch_picture(url: str) -> bytes:
    """Return the content of an untrusted http or https URL, undecoded.

    Takes at most 5 seconds and UPLOAD_MAX_MB. Raises RefusedAddress.
    """
    from search.fetching import fetch  # noqa: PLC0415 - imports httpx2, which takes 0.06 s

    return fetch.fetch_picture(url)
