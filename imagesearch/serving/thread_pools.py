"""Thread pools that answer requests, one per kind (lane): a request that would wait too long is refused at once.

Searches must not wait behind uploads, curators' work and downloads, nor thumbnails behind searches, and health checks
wait for nothing.
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
"""Weight of the latest duration in the moving average."""
_LONGER = 2.5
"""Multiple of the average duration that a request may take."""


def lane_of(method: str, path: str) -> str:
    """Return the name of a request's lane; `path` is its path without BASE_PATH."""
    if path == "/healthz":
        return "alive"
    if path in {"/readyz", "/metrics"}:
        return "ready"
    if method not in _SAFE or _WORK.match(path):
        return "work"
    return "files" if _FILES.match(path) else "searches"


@dataclass(slots=True)
class Job:
    """Work for a thread, and what the loop does instead once it has waited too long."""

    run: Callable[[], None]
    refuse: Callable[[], None]
    since: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - tests patch the clock


class Lane:
    """Some threads and a queue: what is in the queue can still be answered within `within` seconds."""

    def __init__(self, threads: int, within: float, most_waiting: int, late: Callable[[Job], None]) -> None:
        """`late` is called by a thread with a job that is too old when its turn comes."""
        self.threads, self._within, self._most_waiting, self._late = threads, within, most_waiting, late
        self._lock = threading.Lock()
        self._handed: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._active = self._started = self._done = self._refused = 0
        self._mean = 0.0

    @property
    def patience(self) -> float:
        """Seconds that a job may wait for a thread, given how long jobs take at the moment."""
        return max(self._within / 4, self._within - _LONGER * self._mean)

    @property
    def is_full(self) -> bool:
        """Whether the next job would have to wait."""
        return self._active >= self.threads

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def submit(self, job: Job) -> bool:
        """Run a job in a thread, now or later; False when it would wait too long."""
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
        """Continue what was begun, ahead of anything new."""
        with self._lock:
            if self._active < self.threads:
                self._start(job)
            else:
                job.since = float("inf")
                self._waiting.appendleft(job)

    def expired(self) -> list[Job]:
        """Remove and return the jobs that have waited too long."""
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
        """Return counts: active and waiting jobs, and those done and refused so far."""
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
        """Record the duration of the last job, and return the next one that has not waited too long."""
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
