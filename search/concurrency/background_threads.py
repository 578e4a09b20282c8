"""Work in background threads: run on request, with a caller that waits for a moment at most, or run periodically."""

import logging
import threading
from collections.abc import Callable

from django.db import Error, connection

logger = logging.getLogger(__name__)

WAITED_FOR = 2.0
"""Seconds that a caller waits: quick work is done by then, and work that hangs delays no request."""


def keep_doing(work: Callable[[], object], every: float, name: str, failed: str) -> threading.Event:
    """Call `work` every `every` seconds, in a daemon thread called `name`, until the returned event is set.

    An exception is logged with the message `failed`, and the loop continues: a thread that ended would go unnoticed.
    """
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(every):
            try:
                work()
            except Error as error:
                logger.warning("%s: %s", failed, error)
            except Exception:
                logger.exception(failed)
            finally:
                connection.close()

    threading.Thread(target=look, name=name, daemon=True).start()
    return stop


class Background:
    """Runs `work` in a thread of its own on request, one run at a time. Exceptions are logged."""

    def __init__(self, work: Callable[[], object], name: str) -> None:
        self._work, self._name = work, name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_asked_for = False

    def soon(self, *, wait: bool = True) -> None:
        """Request a run from the start of the work, after any run in progress. With `wait`, wait for it up to
        WAITED_FOR seconds."""
        with self._lock:
            self._is_asked_for = True
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the process can't start another thread
                    logger.warning("%s: could not start a thread", self._name, exc_info=True)
                    return
                self._thread = thread
            thread = self._thread
        thread.join(WAITED_FOR if wait else 0)

    def _run(self) -> None:
        while self._is_next():
            try:
                self._work()
            except Exception:
                logger.exception("%s", self._name)
            finally:
                connection.close()  # the connection may be what failed

    def _is_next(self) -> bool:
        with self._lock:
            is_next, self._is_asked_for = self._is_asked_for, False
            if not is_next:
                self._thread = None
            return is_next
