"""The path of a request as logs may have it."""

from django.http import HttpRequest

_SECRET = ("token", "set_id", "uidb64", "key")
"""Parts of addresses that open something to whoever knows them: they don't go into logs."""


def path_of(request: HttpRequest) -> str:
    """Return the path as it may stand in a log: without what was searched for, and without what opens something."""
    path = request.path
    if request.resolver_match:
        for name in _SECRET:
            if value := str(request.resolver_match.kwargs.get(name) or ""):
                path = path.replace(value, "...")
    return path
