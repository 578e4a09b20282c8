"""Load shedding: limits on waiting for a model, so that requests fail early instead of piling up."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from search.embedding.errors import Busy

MOST_WAITING = 4
"""Requests that may wait while a model is loaded, of the six threads of a web worker: the others serve pages that need
no model. The queue for encodings, of milliseconds each, is not limited."""
PATIENCE = 10.0
"""Seconds."""

_bounded = threading.Event()


def bound_waiting() -> None:
    """Limit waiting in this process from now on to what people accept. Commands wait without a limit."""
    _bounded.set()


def is_bounded() -> bool:
    """Whether waiting is limited in this process."""
    return _bounded.is_set()


class BoundedLock:
    """A lock. Where waiting is limited, a thread waits at most PATIENCE seconds, and not at all if `most_waiting`
    others do."""

    def __init__(self, most_waiting: float = math.inf) -> None:
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    @property
    def is_taken(self) -> bool:
        return self._lock.locked()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Context that holds the lock. Raises Busy."""
        self._wait()
        try:
            yield
        finally:
            self._lock.release()

    def _wait(self) -> None:
        if not _bounded.is_set():
            self._lock.acquire()
            return
        if self._lock.acquire(blocking=False):
            return
        with self._counting:
            if self._waiting >= self._most_waiting:
                raise Busy
            self._waiting += 1
        try:
            if not self._lock.acquire(timeout=PATIENCE):
                raise Busy
        finally:
            with self._counting:
                self._waiting -= 1
