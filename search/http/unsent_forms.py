"""Forms that arrive too late, after the login has ended or with the token of an earlier one: the error page keeps what
was typed, to be sent again."""

import re
from dataclasses import dataclass

from django.http import HttpRequest
from django.middleware.csrf import get_token

MOST_BYTES = 200_000
_SECRET = re.compile(r"password|secret|code|token", re.IGNORECASE)
_CSRF = "csrfmiddlewaretoken"


@dataclass(frozen=True, slots=True)
class Unsent:
    """A form to be sent again: its address, its fields in order, and a token that is valid now."""

    action: str
    fields: list[tuple[str, str]]
    token: str


def unsent(request: HttpRequest) -> Unsent | None:
    """Return the form of a POST request that a browser sent from a page of this site, to be shown on a page again.

    None for any other request, for files and secrets, which no page should hold, and for a form without typed text.
    """
    length = str(request.META.get("CONTENT_LENGTH") or "")
    is_form = request.method == "POST" and length.isdecimal() and int(length) <= MOST_BYTES
    if not is_form or not _is_from_own_page(request) or request.FILES:
        return None
    fields = [(name, value) for name in request.POST if name != _CSRF for value in request.POST.getlist(name)]
    if not fields or any(_SECRET.search(name) for name, _value in fields):
        return None
    return Unsent(request.get_full_path(), fields, get_token(request))


def _is_from_own_page(request: HttpRequest) -> bool:
    """Whether the browser says so: another site must not have its fields shown as what the user typed."""
    origin = f"{request.scheme}://{request.get_host()}"
    is_page = "text/html" in request.headers.get("Accept", "") and "HX-Request" not in request.headers
    is_navigation = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    return is_page and is_navigation and request.headers.get("Origin") == origin
