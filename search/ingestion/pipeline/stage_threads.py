"""Worker threads connected by queues: bounded in bytes, and none left waiting at the end."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

PATIENCE = 0.05
"""Seconds a batching stage waits for the next job before it processes what it has."""

Job = TypeVar("Job")


class Ended(Exception):
    """The run is over: waiting threads give up."""


class Allowance:
    """Bytes that may be held at a time. An amount above the limit is admitted when nothing else is held."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._ended = False
        self._changed = threading.Condition()

    def take(self, amount: int) -> None:
        """Wait until there is room for `amount`. Raises Ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._held or self._held + amount <= self._size)
            if self._ended:
                raise Ended
            self._held += amount

    def give_back(self, amount: int) -> None:
        """Release bytes; negative if more was needed than taken, which never waits."""
        with self._changed:
            self._held -= amount
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Stage(Generic[Job]):
    """Threads that work off a queue, one job at a time or up to `at_once` together."""

    def __init__(
        self,
        name: str,
        work: Callable[[list[Job]], None],
        *,
        threads: int,
        failed: Callable[[BaseException], None],
        at_once: int = 1,
    ) -> None:
        """Start the threads. `failed` is called in a thread with what `work` raised; the thread continues."""
        self._work = work
        self._failed = failed
        self._at_once = at_once
        self._ended = False
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        # Daemons, so that a second Ctrl-C does not wait for a hanging storage.
        self._threads = [
            threading.Thread(target=self._run, name=f"ingest-{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        """Start no more jobs; running ones finish."""
        self._ended = True
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, seconds: float) -> bool:
        """Wait up to `seconds` for each thread; return whether all have ended."""
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while jobs := self._next():
            try:
                self._work(jobs)
            except Ended:
                return
            except BaseException as error:
                self._failed(error)

    def _next(self) -> list[Job]:
        """Return the next jobs; none at the end."""
        jobs: list[Job] = []
        job = self._jobs.get()
        while job is not None and not self._ended:
            jobs.append(job)
            if len(jobs) == self._at_once:
                return jobs
            try:
                job = self._jobs.get(timeout=PATIENCE)
            except queue.Empty:
                return jobs
        return []
