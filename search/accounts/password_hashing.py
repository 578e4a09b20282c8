"""Hashing of passwords, of which each takes a core for as long as many searches take.

A process hashes one at a time, in a thread that the system runs where nothing else wants the core; and so few may wait
that most threads are left for searches.
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
"""Passwords that are hashed or wait for it, in one process, of whose threads each holds one."""
PATIENCE = 15.0
"""Seconds."""
_NICE = 10
"""A tenth of what a search gets, where both want the same core."""

_room = threading.BoundedSemaphore(AT_ONCE)


class Crowded(Exception):
    """So many passwords are being checked that this one has to come again."""


class PBKDF2(PBKDF2PasswordHasher):
    """Django's own, in its turn. Raises Crowded."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return in_turn(lambda: super(PBKDF2, self).encode(password, salt, iterations))


def in_turn(work: Callable[[], str]) -> str:
    """Return what `work` returns, done in the thread for hashing. Raises Crowded."""
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
        # What is under way keeps its place until it ends.
        if future.cancel():
            _room.release()
        raise Crowded from None


@cache
def _thread(_process: int) -> ThreadPoolExecutor:
    """The thread of this process; a forked one has none of its parent's."""
    return ThreadPoolExecutor(1, "hashing", initializer=_step_back)


def _step_back(*_: Any) -> None:
    """On Linux each thread has its own priority."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
