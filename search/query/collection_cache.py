"""A per-process cache of values computed from the whole collection, refreshed as the collection changes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import OperationalError, connection

from search.models.arrivals import State, state

logger = logging.getLogger(__name__)

QUICKLY = 0.05
"""Seconds: values computed faster than this are recomputed whenever the collection has changed."""
SHARE = 100
"""Recomputation takes at most this fraction of the time, one in SHARE; changes other than of pictures are noticed
after SOON."""
SOON = 5.0
FEW = 5_000
"""Arrivals: with fewer, there are few pictures, and everything is computed quickly."""

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Cached(Generic[_Made]):
    value: _Made
    at: State
    made_at: float
    took: float

    def is_due(self, now: State) -> bool:
        return self.at != now or self._age > SOON + SHARE * self.took

    def may_be_made(self) -> bool:
        return self._age > SHARE * self.took

    @property
    def _age(self) -> float:
        return time.monotonic() - self.made_at


class CollectionCache(Generic[_Made]):
    """Caches the result of `make`, and recomputes it when due: synchronously if that is quick, else in the
    background."""

    def __init__(self, make: Callable[[], _Made], name: str) -> None:
        self._make, self._name = make, name
        self._kept: Cached[_Made] | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        self._kept = None

    def get(self, now: State) -> Cached[_Made]:
        """Return the cached value. The first caller waits until it is computed."""
        kept = self._kept
        if kept is None or (kept.took < QUICKLY and kept.is_due(now)):
            with self._lock:
                if self._kept is kept:
                    self._kept = self._made()
                return self._kept or self._made()
        if kept.is_due(now) and kept.may_be_made():
            self._make_in_background()
        return kept

    def peek(self, now: State) -> Cached[_Made] | None:
        """Like `get`, for optional uses: None while the first computation over many pictures is running."""
        if self._kept is None and now.arrived > FEW:
            self._make_in_background()
            return None
        return self.get(now)

    def _made(self) -> Cached[_Made]:
        started, at = time.monotonic(), state()
        value = self._make()
        ended = time.monotonic()
        return Cached(value, at, ended, ended - started)

    def _make_in_background(self) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # the process can't start another thread
            self._lock.release()

    def _run(self) -> None:
        try:
            self._kept = self._made()
        except OperationalError as error:
            logger.warning("Could not compute %s: %s", self._name, error)
        except Exception:  # in a background thread
            logger.warning("Could not compute %s", self._name, exc_info=True)
        finally:
            try:
                connection.close()
            finally:
                self._lock.release()
