"""The language of a request that does not reach Django."""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie

from django.http import HttpRequest
from django.utils import translation


def language_of(headers: Iterable[tuple[str, str]]) -> str:
    """Return the language of a request with these (name, value), as Django's middleware chooses it."""
    asked = HttpRequest()
    for name, value in headers:
        if name.upper() == "ACCEPT-LANGUAGE":
            asked.META["HTTP_ACCEPT_LANGUAGE"] = value
        elif name.upper() == "COOKIE":
            try:
                asked.COOKIES |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
            except CookieError:
                continue
    return translation.get_language_from_request(asked)
