"""Work beside what people wait for: they wait for a moment only, and it goes on without them where it takes longer; or
nobody waits at all, and it is done each so many seconds."""

import logging
import threading
from collections.abc import Callable

from django.db import Error, connection

logger = logging.getLogger(__name__)

WAITED_FOR = 2.0
"""Seconds that whoever asks waits: what is quick is done by then, and what hangs holds nobody up."""


def keep_doing(work: Callable[[], object], every: float, name: str, failed: str) -> threading.Event:
    """Do `work` each so many seconds, in a thread of that name, until the event that is returned is set. What it
    raises is logged as having `failed`, and it is tried again: nobody would notice that the thread has ended."""
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
    """Does `work` in a thread of its own whenever it is asked for, one at a time; what it raises is logged."""

    def __init__(self, work: Callable[[], object], name: str) -> None:
        self._work, self._name = work, name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_asked_for = False

    def soon(self, *, wait: bool = True) -> None:
        """Have the work done from its start, after what is under way; wait for that, but for WAITED_FOR at most."""
        with self._lock:
            self._is_asked_for = True
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread can be had
                    logger.warning("%s: not now", self._name, exc_info=True)
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
                connection.close()  # perhaps what has failed

    def _is_next(self) -> bool:
        with self._lock:
            is_next, self._is_asked_for = self._is_asked_for, False
            if not is_next:
                self._thread = None
            return is_next
