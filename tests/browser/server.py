"""A wrapper around the live server: lets browsers cache static files, and notices other cacheable responses."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import axe_playwright_python

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

STATIC = re.compile(r"/static/")
RENDITION = re.compile(r"/images/[0-9a-f-]{36}/\d+\.webp$")
"""Pictures of two tests with the same id look the same, so a cached copy is right."""
AXE = "/static/axe.js"
"""The address of axe-core, which pages that are tested with it get from the cache."""
_AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_bytes()
CACHEABLE = re.compile(r"max-age=[1-9]|immutable")


class Responses:
    """WSGI middleware. Serves axe-core, and has browsers keep static files and renditions from test to test.

    `may_be_stale` counts the other cacheable responses: the next test must not get them from a cache.
    """

    def __init__(self, application: Wsgi, origin: str) -> None:
        self._application, self.origin = application, origin
        self.may_be_stale = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == AXE:
            start_response("200 OK", [("Content-Type", "text/javascript"), ("Cache-Control", "max-age=3600")])
            return [_AXE]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if STATIC.match(path):
                headers = [*headers, ("Cache-Control", "max-age=3600")]  # as in production
            elif RENDITION.match(path):
                # Each test has cookies of its own.
                headers = [(name, value) for name, value in headers if name != "Vary"]
            elif _is_cacheable(dict(headers)):
                self.may_be_stale += 1
            return start_response(status, headers, *rest)

        return self._application(environ, start)


def _is_cacheable(headers: dict[str, str]) -> bool:
    control = headers.get("Cache-Control", "")
    return bool(CACHEABLE.search(control)) or "Expires" in headers or (not control and "Last-Modified" in headers)
