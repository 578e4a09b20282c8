"""What this process knows of whether the database answers: nobody waits for one that is known to be away.

When connecting has failed, or a query and then a connection beside it get no answer, everybody who asks for a
connection fails at once, while a thread tries each second until the database answers again.
"""

import logging
import threading
import time
from collections.abc import Callable

import psycopg

logger = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two attempts to reach a database that is away."""


class DatabaseAway(psycopg.OperationalError):
    """The database does not answer, as the last attempt to reach it has shown."""


class Breaker:
    """Of one pool. `attempt` connects and asks, or raises psycopg.Error; `opened` is called when connecting begins to
    fail."""

    def __init__(self, attempt: Callable[[], object], opened: Callable[[], object] = lambda: None) -> None:
        self._attempt, self._opened = attempt, opened
        self._changed = threading.Condition()
        self._away: str | None = None
        self._is_trying = False
        self._heard_at = float("-inf")
        self._asking = threading.Lock()

    @property
    def has_answered(self) -> bool:
        """Whether the database has answered this process at all."""
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
            logger.warning("The database answers again.")

    def failed(self, error: BaseException, began: float) -> None:
        """Connecting, begun at `began`, has failed. Where the database has answered others since, as where it has no
        connection left to give, it isn't away."""
        with self._changed:
            if self.is_away or self._heard_at >= began:
                return
            self._away = str(error).strip() or "no answer"
            if not self._is_trying:
                self._is_trying = True
                threading.Thread(target=self._try, name="database-attempts", daemon=True).start()
        if self.has_answered:  # else whoever asks first tells it
            logger.warning("The database does not answer, and is tried each second: %s", self._away)
        self._opened()

    def error(self) -> DatabaseAway:
        return DatabaseAway(self._away or "The database did not answer.")

    def require(self, patience: float) -> None:
        """Return at once where the database is not away; else when it answers again. Raises DatabaseAway after
        `patience` seconds."""
        if not self.is_away:
            return
        with self._changed:
            if not self._changed.wait_for(lambda: not self.is_away, timeout=max(0.0, patience)):
                raise self.error()

    def ask(self) -> None:
        """Find out whether the database answers beside a query that gets no answer. Raises DatabaseAway.

        Threads that ask at once share the answer.
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
