"""Password hashing, which takes a core for as long as many searches do.

Each process hashes one password at a time, in a low-priority thread. The queue is short, so that most request threads
are left for searches.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from functools import cache
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher

AT_ONCE = 4
"""Passwords being hashed or queued, per process; each blocks a request thread."""
PATIENCE = 15.0
"""Seconds before a queued password gives up."""
_NICE = 10
"""Nice value: a tenth of the CPU share of a search on the same core."""

_room = threading.BoundedSemaphore(AT_ONCE)


class Crowded(Exception):
    """Too many passwords are being checked: try again later."""


class PBKDF2(PBKDF2PasswordHasher):
    """Django's hasher, queued. Raises Crowded."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return in_turn(lambda: super(PBKDF2, self).encode(password, salt, iterations))


def in_turn(work: Callable[[], str]) -> str:
    """Return the result of `work`, run in the hashing thread. Raises Crowded."""
    if not _room.acquire(blocking=False):
        raise Crowded

    def run() -> str:
        try:
            return work()
        finally:
            _room.release()

    future = _thread(os.getpid()).submit(run)
    try:
        return future.result(PATIENCE)
    except TooLate:
        # A running job keeps its place until it ends.
        if future.cancel():
            _room.release()
        raise Crowded from None


@cache
def _thread(_process: int) -> ThreadPoolExecutor:
    """The hashing thread; keyed by process, since a fork does not inherit threads."""
    return ThreadPoolExecutor(1, "hashing", initializer=_lower_priority)


def _lower_priority(*_: Any) -> None:
    """Lower this thread's priority; on Linux each thread has its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
