"""A wrapper around the live server: lets browsers cache static files, and notices other cacheable responses."""

import re
from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

NEVER_STALE = re.compile(r"/static/|.*/[0-9a-f]{8}-[0-9a-f]{4}-")
"""Static files, and addresses with the id of a picture, which no two tests share: a cached copy is never wrong."""
CACHEABLE = re.compile(r"max-age=[1-9]|immutable")


class Responses:
    """WSGI middleware. Adds a max-age to static files, as the site has in production.

    `may_be_stale` counts the other cacheable responses: the next test must not get them from a cache.
    """

    def __init__(self, application: Wsgi, origin: str) -> None:
        self._application, self.origin = application, origin
        self.may_be_stale = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if path.startswith("/static/"):
                headers = [*headers, ("Cache-Control", "max-age=3600")]
            elif not NEVER_STALE.match(path) and _is_cacheable(dict(headers)):
                self.may_be_stale += 1
            return start_response(status, headers, *rest)

        return self._application(environ, start)


def _is_cacheable(headers: dict[str, str]) -> bool:
    control = headers.get("Cache-Control", "")
    return bool(CACHEABLE.search(control)) or "Expires" in headers or (not control and "Last-Modified" in headers)
