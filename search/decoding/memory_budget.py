"""The budget of memory for decoding, shared by all processes on the machine.

It is divided into units, each of which is a file that is locked to take it; the kernel releases the locks of a process
that ends, however it ends. Within a process, threads are served in order of arrival, and small requests don't overtake
a large one: the next in the queue holds the gate until it has all its units.
"""

import fcntl
import logging
import math
import os
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.conf import settings

from search.decoding.errors import Busy

logger = logging.getLogger(__name__)

UNIT = 16 << 20
"""Bytes."""
_LOOK_AGAIN = 0.01
"""Seconds between two attempts to take a lock."""


class MemoryBudget:
    """`size` bytes of memory, shared by all processes that use the same folder."""

    def __init__(self, folder: Path, size: int) -> None:
        self._units = [folder / f"unit-{number}" for number in range(max(1, size // UNIT))]
        self._gate = folder / "gate"
        # Threads of this process queue here, and one of them at the gate with those of other processes.
        self._own_gate = threading.Lock()
        self._waiting = 0
        self._counting = threading.Lock()

    @contextmanager
    def taken(self, amount: int, *, patience: float | None = None, most_waiting: int | None = None) -> Iterator[None]:
        """Wait until `amount` bytes are free, or all of them if the budget is smaller, and hold them.

        Raises Busy after `patience` seconds, and at once if `most_waiting` threads of this process wait already.
        """
        with self._in_line(most_waiting):
            held = self._collected(amount, None if patience is None else time.monotonic() + patience)
        try:
            yield
        finally:
            for lock in held:
                os.close(lock)

    @contextmanager
    def _in_line(self, most: int | None) -> Iterator[None]:
        with self._counting:
            # The first in the queue is being served.
            if most is not None and self._waiting > most:
                raise Busy
            self._waiting += 1
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= 1

    def _collected(self, amount: int, deadline: float | None) -> list[int]:
        count = min(len(self._units), max(1, math.ceil(amount / UNIT)))
        if not self._own_gate.acquire(timeout=-1 if deadline is None else max(0, deadline - time.monotonic())):
            raise Busy
        held: list[int] = []
        try:
            gate = self._waited_for(deadline)
            try:
                while not self._collect(held, count):
                    _pause(deadline)
            finally:
                os.close(gate)
        except BaseException:
            for lock in held:
                os.close(lock)
            raise
        finally:
            self._own_gate.release()
        return held

    def _waited_for(self, deadline: float | None) -> int:
        while (gate := _locked(self._gate)) is None:
            _pause(deadline)
        return gate

    def _collect(self, held: list[int], count: int) -> bool:
        """Add free units to `held`; return whether there are `count` of them."""
        for unit in self._units:
            if len(held) == count:
                break
            if (lock := _locked(unit)) is not None:
                held.append(lock)
        return len(held) == count


def _pause(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise Busy
    time.sleep(_LOOK_AGAIN)


def _locked(path: Path) -> int | None:
    """Return a descriptor that holds the lock of this file, or None if it is taken."""
    # Opened each time: a lock belongs to the open file description, and threads share all else.
    lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise
    return lock


def budget() -> MemoryBudget:
    """Return the budget shared by processes of this kind: those of the site, or commands."""
    kind = "commands" if settings.IS_COMMAND else "site"
    return _budget(settings.DATA_DIR / "decoding" / kind, memory())


def memory() -> int:
    """Return the bytes that decoding may take in processes of this kind, including the decoders' own 16 MB each."""
    return 1_000_000 * int(settings.INGEST_DECODE_MAX_MB if settings.IS_COMMAND else settings.DECODE_MAX_MB)


@cache
def _budget(folder: Path, size: int) -> MemoryBudget:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _locked_once(folder)
    except OSError as error:
        logger.warning("%s can't be used for locks (%s); using the temporary folder.", folder, error)
        folder = _temporary(folder)
    return MemoryBudget(folder, size)


# A lock held by another thread of this process would stay locked in a fork.
os.register_at_fork(after_in_child=_budget.cache_clear)


def _locked_once(folder: Path) -> None:
    lock = _locked(folder / "gate")
    if lock is not None:
        os.close(lock)


def _temporary(folder: Path) -> Path:
    """Return a folder of ours that all processes share; if that is impossible, one of this process alone."""
    other = Path(tempfile.gettempdir()) / f"imagesearch-{os.geteuid()}-{folder.name}"
    with suppress(FileExistsError):
        other.mkdir(mode=0o700)
    found = other.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        return other
    return Path(tempfile.mkdtemp(prefix="imagesearch-"))
