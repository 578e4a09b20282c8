"""Threads that hand work on to each other: bounded in bytes, and none of them left waiting when the run is over."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

PATIENCE = 0.05
"""Seconds that a stage which works by the batch waits for the next job before it takes what it has."""

Job = TypeVar("Job")


class Ended(Exception):
    """The run is over: whoever waits for its turn gives up."""


class Allowance:
    """Bytes that may be held at a time. What is larger than all of it is let through when nothing else is held."""

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
        """Less than nothing where more was needed than taken: that is not waited for."""
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
        """Start the threads. `failed` is called in one of them with whatever `work` raised; the others go on."""
        self._work = work
        self._failed = failed
        self._at_once = at_once
        self._ended = False
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        # Daemons, so that a second Ctrl-C does not wait for a storage that hangs.
        self._threads = [
            threading.Thread(target=self._run, name=f"ingest-{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        """Begin nothing more; what is being worked on is finished."""
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
