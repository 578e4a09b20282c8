"""The path of a request, safe for logs."""

from django.http import HttpRequest

_SECRET = ("token", "set_id", "uidb64", "key")
"""URL parameters that grant access: they are kept out of logs."""


def path_of(request: HttpRequest) -> str:
    """Return the path for logs, without the query string and secrets."""
    path = request.path
    if request.resolver_match:
        for name in _SECRET:
            if value := str(request.resolver_match.kwargs.get(name) or ""):
                path = path.replace(value, "...")
    return path
