"""The memory of the machine that decoding may take, shared by all processes.

It is given out in units, each of which is a file: whoever has locked it has the unit. The kernel frees those of a
process that ends, however it ends. Threads and processes are served in the order in which they come, as far as one
process is concerned, and a large request is not passed by small ones: who is next holds the gate until it has all.
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
"""Seconds."""


class Turns:
    """`size` bytes of memory, of which everybody who uses the same folder takes what they need."""

    def __init__(self, folder: Path, size: int) -> None:
        self._units = [folder / f"unit-{number}" for number in range(max(1, size // UNIT))]
        self._gate = folder / "gate"
        # Threads of this process line up here, and one of them with those of other processes.
        self._own_gate = threading.Lock()
        self._waiting = 0
        self._counting = threading.Lock()

    @contextmanager
    def taken(self, amount: int, *, patience: float | None = None, most_waiting: int | None = None) -> Iterator[None]:
        """Wait until there is room for `amount` bytes, or for nothing else where that is more than all.

        Raises Busy after `patience` seconds, and at once where `most_waiting` threads of this process wait already.
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
            # The first in line is being served.
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
        """Add units that are free to those that are `held`; return whether there are `count` of them."""
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
    """Return a descriptor that holds the lock of this file, or None where somebody else has it."""
    # Opened anew each time: a lock belongs to the opening, and threads share all else.
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


def turns() -> Turns:
    """Return what processes of this kind share: those of the site, or commands."""
    kind = "commands" if settings.IS_COMMAND else "site"
    return _turns(settings.DATA_DIR / "decoding" / kind, memory())


def memory() -> int:
    """Return how many bytes decoding may take in processes of this kind, their own 16 MB each included."""
    return 1_000_000 * int(settings.INGEST_DECODE_MAX_MB if settings.IS_COMMAND else settings.DECODE_MAX_MB)


@cache
def _turns(folder: Path, size: int) -> Turns:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _locked_once(folder)
    except OSError as error:
        logger.warning("%s can't be used for locks (%s): the temporary folder is.", folder, error)
        folder = _temporary(folder)
    return Turns(folder, size)


# A lock of this process that another thread held would stay locked in a fork.
os.register_at_fork(after_in_child=_turns.cache_clear)


def _locked_once(folder: Path) -> None:
    lock = _locked(folder / "gate")
    if lock is not None:
        os.close(lock)


def _temporary(folder: Path) -> Path:
    """Return a folder of ours that is the same for all processes; one of this process alone where that can't be."""
    other = Path(tempfile.gettempdir()) / f"imagesearch-{os.geteuid()}-{folder.name}"
    with suppress(FileExistsError):
        other.mkdir(mode=0o700)
    found = other.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        return other
    return Path(tempfile.mkdtemp(prefix="imagesearch-"))
