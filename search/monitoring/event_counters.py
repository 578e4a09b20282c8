"""Counters for events. Any room may call these; they do nothing unless METRICS_TOKEN is set, and never raise."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ParamSpec

from django.conf import settings

logger = logging.getLogger(__name__)
_Given = ParamSpec("_Given")


def _on() -> ModuleType | None:
    """Return the instruments if METRICS_TOKEN is set. prometheus_client takes 40 ms to import, and a file per
    process."""
    if not settings.METRICS_TOKEN:
        return None
    from search.monitoring import instruments  # noqa: PLC0415

    return instruments


def _harmless(count: Callable[_Given, None]) -> Callable[_Given, None]:
    @functools.wraps(count)
    def counted(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except Exception:  # such as a full disk
            logger.warning("A metric could not be recorded", exc_info=True)

    return counted


@_harmless
def request_began() -> None:
    if on := _on():
        on.IN_PROGRESS.inc()


@_harmless
def request_ended(view: str, method: str, status: int | None, seconds: float) -> None:
    """Count a request. `view` is the name of a view and `method` a standard one: never user input. `status` is None if
    the request is repeated with its body."""
    if on := _on():
        on.IN_PROGRESS.dec()
        if status is None:
            return
        on.REQUESTS.labels(view, method, str(status)).inc()
        on.DURATION.labels(view).observe(seconds)


@_harmless
def unavailable(part: str) -> None:
    """Count a request that was answered 503 because `part` is unavailable."""
    if on := _on():
        on.UNAVAILABLE.labels(part).inc()


@_harmless
def looked_up(what: str, *, found: bool) -> None:
    """Count a cache lookup: of a query's vector, or of the candidates of a search."""
    if on := _on():
        on.CACHE.labels(what, "hit" if found else "miss").inc()


@contextmanager
def encoding(kind: str) -> Iterator[None]:
    """Measure the encoding of a query, including its wait in the queue; `kind` is "words" or "pictures"."""
    began = time.perf_counter()
    _encoding_began(kind)
    try:
        yield
    finally:
        _encoding_ended(kind, time.perf_counter() - began)


@_harmless
def _encoding_began(kind: str) -> None:
    if on := _on():
        on.ENCODING_NOW.labels(kind).inc()


@_harmless
def _encoding_ended(kind: str, seconds: float) -> None:
    if on := _on():
        on.ENCODING_NOW.labels(kind).dec()
        on.ENCODING.labels(kind).observe(seconds)


@_harmless
def storage_failed(where: str) -> None:
    """Count a request that the object storage refused or did not answer; `where` is "own" or "elsewhere"."""
    if on := _on():
        on.STORAGE_FAILURES.labels(where).inc()
