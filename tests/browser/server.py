"""What stands between browsers and the server of the tests."""

import re
from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

LASTING = re.compile(r"/static/|.*/[0-9a-f]{8}-[0-9a-f]{4}-")
"""What no test changes: files of the site, and what belongs to a picture, whose id is given once."""
REUSED = re.compile(r"max-age=[1-9]|immutable")


class Answers:
    """Lets browsers keep static files, as they may where the site is served, and counts what they may keep but must
    not from one test to the next."""

    def __init__(self, answer: Wsgi, origin: str) -> None:
        self._answer, self.origin = answer, origin
        self.outdated = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if path.startswith("/static/"):
                headers = [*headers, ("Cache-Control", "max-age=3600")]
            elif not LASTING.match(path) and self._can_be_reused(dict(headers)):
                self.outdated += 1
            return start_response(status, headers, *rest)

        return self._answer(environ, start)

    def _can_be_reused(self, headers: dict[str, str]) -> bool:
        control = headers.get("Cache-Control", "")
        return bool(REUSED.search(control)) or "Expires" in headers or (not control and "Last-Modified" in headers)
