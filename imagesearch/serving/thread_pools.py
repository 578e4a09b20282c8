"""Threads that answer requests, apart by what they do: who waits for one too long is refused at once, and cheaply.

Searches must not wait behind uploads, curators' work and downloads, nor thumbnails behind searches, and who asks
whether the process lives waits for nobody.
"""

import logging
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

_WORK = re.compile(r"/(?:admin|upload|accounts?|selection)(?:/|$)|/images/[^/]+/download$")
_FILES = re.compile(
    r"/static/|/(?:images|search/picture)/[^?]+\.webp$"
    r"|/(?:favicon\.ico|robots\.txt|manifest\.webmanifest|service-worker\.js)$"
)
_SAFE = {"GET", "HEAD", "OPTIONS"}
_WEIGHT = 0.1
"""Of the latest in the mean of how long something takes."""
_LONGER = 2.5
"""Times the mean that something may take."""


def lane_of(method: str, path: str) -> str:
    """Return the name of the lane in which a request is answered; `path` is the part of its path that is ours."""
    if path == "/healthz":
        return "alive"
    if path in {"/readyz", "/metrics"}:
        return "ready"
    if method not in _SAFE or _WORK.match(path):
        return "work"
    return "files" if _FILES.match(path) else "searches"


@dataclass(slots=True)
class Job:
    """What a thread does, and what is done instead, in the loop, when it has waited for one for too long."""

    run: Callable[[], None]
    refuse: Callable[[], None]
    since: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - of tests, which move it on


class Lane:
    """Some threads and a queue before them: what is in it can still be answered within so many seconds."""

    def __init__(self, threads: int, within: float, most_waiting: int, late: Callable[[Job], None]) -> None:
        """`late` is told by a thread of a job that is too old when its turn comes."""
        self.threads, self._within, self._most_waiting, self._late = threads, within, most_waiting, late
        self._lock = threading.Lock()
        self._handed: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._active = self._started = self._done = self._refused = 0
        self._mean = 0.0

    @property
    def patience(self) -> float:
        """Seconds that may be waited for a thread, as long as answering takes at this moment."""
        return max(self._within / 4, self._within - _LONGER * self._mean)

    @property
    def is_full(self) -> bool:
        """Whether what comes next would have to wait."""
        return self._active >= self.threads

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def submit(self, job: Job) -> bool:
        """Have a thread do it, now or later; False when it would wait too long."""
        with self._lock:
            if self._active < self.threads:
                self._start(job)
                return True
            ahead = len(self._waiting) + 1
            if ahead > self._most_waiting or ahead * self._mean / self.threads > self.patience:
                self._refused += 1
                return False
            self._waiting.append(job)
            return True

    def resume(self, job: Job) -> None:
        """Have a thread go on with what was begun, before anything new."""
        with self._lock:
            if self._active < self.threads:
                self._start(job)
            else:
                job.since = float("inf")
                self._waiting.appendleft(job)

    def expired(self) -> list[Job]:
        """Take out what has waited for too long."""
        if not self._waiting:
            return []
        latest = time.monotonic() - self.patience
        with self._lock:
            old = [job for job in self._waiting if job.since < latest]
            if old:
                self._waiting = deque(job for job in self._waiting if job.since >= latest)
                self._refused += len(old)
        return old

    def status(self) -> dict[str, int]:
        """Counts: how many are answered at this moment and wait, and how many were answered and refused so far."""
        with self._lock:
            return {
                "active": self._active,
                "waiting": len(self._waiting),
                "done": self._done,
                "refused": self._refused,
            }

    def _start(self, job: Job) -> None:
        self._active += 1
        self._handed.put(job)
        if self._active > self._started:
            self._started += 1
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            job: Job | None = self._handed.get()
            while job:
                start = time.monotonic()
                try:
                    job.run()
                except Exception:
                    logger.exception("Error in a thread")
                job = self._next(time.monotonic() - start)

    def _next(self, took: float) -> Job | None:
        """Note how long the last one took, and return the next one that has not waited too long."""
        while True:
            with self._lock:
                self._done += took >= 0
                if took >= 0:
                    self._mean += _WEIGHT * (took - self._mean)
                if not self._waiting:
                    self._active -= 1
                    return None
                job = self._waiting.popleft()
                is_late = job.since < time.monotonic() - self.patience
                self._refused += is_late
            if not is_late:
                return job
            self._late(job)
            took = -1
