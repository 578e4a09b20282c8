"""What is counted while it happens. Any room may call these; they do nothing unless METRICS_TOKEN is set."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from django.conf import settings


def _on() -> ModuleType | None:
    """The instruments, where somebody reads them. prometheus_client takes 40 ms to import, and a file a process."""
    if not settings.METRICS_TOKEN:
        return None
    from search.monitoring import instruments  # noqa: PLC0415

    return instruments


def request_began() -> None:
    if on := _on():
        on.IN_PROGRESS.inc()


def request_ended(view: str, method: str, status: int, seconds: float) -> None:
    """`view` is the name of a view and `method` one of HTTP's own: nothing that a stranger can make up."""
    if on := _on():
        on.IN_PROGRESS.dec()
        on.REQUESTS.labels(view, method, str(status)).inc()
        on.DURATION.labels(view).observe(seconds)


def unavailable(part: str) -> None:
    """A request was answered 503 for want of `part`."""
    if on := _on():
        on.UNAVAILABLE.labels(part).inc()


def looked_up(what: str, *, found: bool) -> None:
    """Something that is remembered was asked for: a query's vector, the candidates of a search."""
    if on := _on():
        on.CACHE.labels(what, "hit" if found else "miss").inc()


@contextmanager
def encoding(kind: str) -> Iterator[None]:
    """A query is encoded, or waits for its turn to be; `kind` is "words" or "pictures"."""
    on = _on()
    if not on:
        yield
        return
    began = time.perf_counter()
    with on.ENCODING_NOW.labels(kind).track_inprogress():
        yield
    on.ENCODING.labels(kind).observe(time.perf_counter() - began)


def storage_failed(where: str) -> None:
    """The object storage refused or did not answer; `where` is "own" or "elsewhere"."""
    if on := _on():
        on.STORAGE_FAILURES.labels(where).inc()
