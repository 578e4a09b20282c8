"""A circuit breaker: nobody waits for a database that is known to be down.

When connecting fails, or neither a query nor a probe beside it gets an answer, all requests for a connection fail at
once, while a thread probes each second until the database answers again.
"""

import logging
import threading
import time
from collections.abc import Callable

import psycopg

logger = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two probes of a database that is down."""


class DatabaseAway(psycopg.OperationalError):
    """The database does not answer, as the last probe has shown."""


class Breaker:
    """Of one pool. `attempt` connects and runs a query, or raises psycopg.Error; `opened` is called when the breaker
    opens."""

    def __init__(self, attempt: Callable[[], object], opened: Callable[[], object] = lambda: None) -> None:
        self._attempt, self._opened = attempt, opened
        self._changed = threading.Condition()
        self._away: str | None = None
        self._is_trying = False
        self._heard_at = float("-inf")
        self._asking = threading.Lock()

    @property
    def has_answered(self) -> bool:
        """Whether the database has ever answered this process."""
        return self._heard_at > float("-inf")

    @property
    def is_away(self) -> bool:
        return self._away is not None

    def heard(self) -> None:
        """A query was answered."""
        self._heard_at = time.monotonic()
        if self.is_away:
            with self._changed:
                self._away = None
                self._changed.notify_all()
            logger.warning("The database responds again.")

    def failed(self, error: BaseException, began: float) -> None:
        """Connecting, begun at `began` (monotonic seconds), failed. If the database has answered others since, as when
        it is out of connections, it isn't down."""
        with self._changed:
            if self.is_away or self._heard_at >= began:
                return
            self._away = str(error).strip() or "no answer"
            if not self._is_trying:
                self._is_trying = True
                threading.Thread(target=self._try, name="database-attempts", daemon=True).start()
        if self.has_answered:  # else the first request reports it
            logger.warning("The database does not respond; retrying every second: %s", self._away)
        self._opened()

    def error(self) -> DatabaseAway:
        return DatabaseAway(self._away or "The database did not respond.")

    def require(self, patience: float) -> None:
        """Return as soon as the database is up. Raises DatabaseAway after `patience` seconds."""
        if not self.is_away:
            return
        with self._changed:
            if not self._changed.wait_for(lambda: not self.is_away, timeout=max(0.0, patience)):
                raise self.error()

    def ask(self) -> None:
        """Probe the database while a query gets no answer. Raises DatabaseAway.

        Threads that call this at the same time share one probe.
        """
        asked_at = time.monotonic()
        with self._asking:
            if self.is_away:
                raise self.error()
            if self._heard_at >= asked_at:
                return
            try:
                self._attempt()
            except psycopg.Error as error:
                self.failed(error, asked_at)
                if self.is_away:
                    raise self.error() from error
            else:
                self.heard()

    def _try(self) -> None:
        while True:
            time.sleep(EVERY)
            try:
                self._attempt()
            except psycopg.Error as error:
                with self._changed:
                    if self.is_away:
                        self._away = str(error).strip() or "no answer"
            else:
                self.heard()
            with self._changed:
                if not self.is_away:
                    self._is_trying = False
                    return
