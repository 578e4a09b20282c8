"""Nobody waits long for a model: who would have to is told to come again, so that searches never pile up."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from search.embedding.errors import Busy

MOST_WAITING = 4
"""While a model is loaded, of the six threads of a web worker: pages that need no model still find one. Those that
wait for others' encodings, of milliseconds each, are as many as there are threads."""
PATIENCE = 10.0
"""Seconds."""

_bounded = threading.Event()


def bound_waiting() -> None:
    """From now on nobody in this process waits for longer than people do. Commands wait as long as it takes."""
    _bounded.set()


def is_bounded() -> bool:
    """Whether nobody waits for longer than people do."""
    return _bounded.is_set()


class Turn:
    """A lock that one thread has at a time. Where waiting is bounded, nobody waits for it longer than PATIENCE, nor
    when `most_waiting` do so already."""

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
        """Wait for one's turn. Raises Busy."""
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
