"""Middleware: request id, metrics and access log."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from imagesearch.logs import current_request
from imagesearch.request_bodies import BodyWanted
from search.http.paths import path_of
from search.monitoring import event_counters

logger = logging.getLogger("search.access")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,99}")
_METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"}
_CHECKS = {"/healthz", "/readyz", "/metrics"}


class Requests:
    """The outermost middleware, so that it sees every response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        number = _number_of(request)
        said = current_request.set(number)
        request.number = number  # type: ignore[attr-defined]
        event_counters.request_began()
        status: int | None = 500  # for exceptions that Django does not handle, as SystemExit
        try:
            response = self.get_response(request)
            status = response.status_code
            response.headers["X-Request-ID"] = number
            return response
        except BodyWanted:
            status = None  # the request is repeated with its body
            raise
        finally:
            seconds = time.perf_counter() - began
            view, method = view_of(request), request.method if request.method in _METHODS else "OTHER"
            event_counters.request_ended(view, method, status, seconds)
            if status is not None:
                _log(request, view, status, seconds)
            current_request.reset(said)


def _number_of(request: HttpRequest) -> str:
    """Return the request id of a trusted proxy, or a new one."""
    given = request.headers.get("X-Request-ID", "")
    return given if settings.REQUEST_ID_FROM_PROXY and _ID.fullmatch(given) else uuid.uuid4().hex


def view_of(request: HttpRequest) -> str:
    """Return the name of the view that responded; never a part of the address."""
    if request.resolver_match:
        return request.resolver_match.view_name
    if request.path_info in _CHECKS:
        return request.path_info[1:]
    return "static" if request.path_info.startswith("/static/") else "none"


def _log(request: HttpRequest, view: str, status: int, seconds: float) -> None:
    level = logging.DEBUG if view in {"healthz", "readyz", "metrics"} and status < 400 else logging.INFO
    if not settings.ACCESS_LOG or not logger.isEnabledFor(level):
        return
    path = path_of(request)
    entry = {"method": request.method, "path": path, "view": view, "status": status, "ms": round(seconds * 1000, 1)}
    logger.log(level, "%s %s %d %.0f ms", request.method, path, status, seconds * 1000, extra={"access": entry})
