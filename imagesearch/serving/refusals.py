"""Responses for overload and timeouts that cost nothing: rendered once by the application itself, in each language."""

import logging
from typing import Any

from django.conf import settings
from gunicorn.util import http_date

from imagesearch.base_path import below_base_path
from imagesearch.serving.request_language import language_of
from imagesearch.wsgi import application
from search.web.refusal_pages import REFUSED

logger = logging.getLogger(__name__)

_PLAIN = {"slow": "408 Request Timeout", "cut": "400 Bad Request"}
_made: dict[tuple[str, str, bool], tuple[str, bytes]] = {}


def answer(why: str, request: Any, *, close: bool) -> bytes:
    """Return a whole response to gunicorn's `request`, or to an unknown one (None). `why`: "busy", "slow", "cut",
    "full" or "stopping"."""
    head, body = _kept(why, _language(request), is_for_programs=_path(request).startswith("/api/"))
    connection = "close" if close else "keep-alive"
    start = f"HTTP/1.1 {head}Date: {http_date()}\r\nConnection: {connection}\r\n\r\n".encode("latin-1")
    return start if request is not None and request.method == "HEAD" else start + body


def _kept(why: str, language: str, *, is_for_programs: bool) -> tuple[str, bytes]:
    key = why, language, is_for_programs
    if key not in _made:
        try:
            _made[key] = _make(why, language, "/api/search" if is_for_programs else "/")
        except Exception:
            logger.exception("Creating the response to a refused request")
            status = _PLAIN.get(why, "503 Service Unavailable")
            _made[key] = f"{status}\r\nContent-Length: 0\r\nRetry-After: 5\r\n", b""
    return _made[key]


def _make(why: str, language: str, path: str) -> tuple[str, bytes]:
    heads: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
        heads.append(f"{status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers))

    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "SERVER_NAME": _name(),
        "SERVER_PORT": "443" if settings.HTTPS else "80",
        "HTTP_HOST": _name(),
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_ACCEPT_LANGUAGE": language,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": None,
        REFUSED: why,
    }
    made: Any = application(environ, start)
    try:
        return heads[0], b"".join(made)
    finally:
        made.close()


def _name() -> str:
    """Return a host name of this site."""
    name = str((settings.ALLOWED_HOSTS or ["localhost"])[0])
    return "localhost" if name == "*" else name.removeprefix(".")


def _path(request: Any) -> str:
    return below_base_path(request.path) if request is not None else ""


def _language(request: Any) -> str:
    return language_of(request.headers) if request is not None else str(settings.LANGUAGE_CODE)
