"""What was made of all pictures and is kept in the process, as far as the collection was at that time."""

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
"""Seconds: what is made in less is made anew whenever the collection has changed."""
SHARE = 100
"""Of the time, one part in so many is spent on making the same again; what is no change of pictures is seen SOON."""
SOON = 5.0
FEW = 5_000
"""Arrivals: where there were fewer, so are the pictures, and all is made quickly."""

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Kept(Generic[_Made]):
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


class Keeper(Generic[_Made]):
    """Keeps what `make` returns, and has it made anew when it is due: at once where that is quick, else beside."""

    def __init__(self, make: Callable[[], _Made], name: str) -> None:
        self._make, self._name = make, name
        self._kept: Kept[_Made] | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        self._kept = None

    def get(self, now: State) -> Kept[_Made]:
        """Return what is kept. Whoever is the first waits until it is made."""
        kept = self._kept
        if kept is None or (kept.took < QUICKLY and kept.is_due(now)):
            with self._lock:
                if self._kept is kept:
                    self._kept = self._made()
                return self._kept or self._made()
        if kept.is_due(now) and kept.may_be_made():
            self._make_beside()
        return kept

    def peek(self, now: State) -> Kept[_Made] | None:
        """The same for somebody who can do without: None while it is made of many pictures for the first time."""
        if self._kept is None and now.arrived > FEW:
            self._make_beside()
            return None
        return self.get(now)

    def _made(self) -> Kept[_Made]:
        started, at = time.monotonic(), state()
        value = self._make()
        ended = time.monotonic()
        return Kept(value, at, ended, ended - started)

    def _make_beside(self) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # no thread can be had
            self._lock.release()

    def _run(self) -> None:
        try:
            self._kept = self._made()
        except OperationalError as error:
            logger.warning("No %s were made: %s", self._name, error)
        except Exception:  # nobody waits for it
            logger.warning("No %s were made", self._name, exc_info=True)
        finally:
            try:
                connection.close()
            finally:
                self._lock.release()
