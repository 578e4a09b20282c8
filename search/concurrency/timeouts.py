"""Time limits for calls to an object storage: few at once, each with a deadline, and fast failure while it doesn't
answer.

Socket timeouts don't suffice: each byte that trickles in, each address of a name and each attempt restarts them, and
name resolution has none. So a call runs in a thread of its own with a deadline; past it, the socket is shut down and
the thread ends by itself.
"""

import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.conf import settings

MOST_AT_ONCE = 4
"""Concurrent calls to one place in a web process: its other threads stay free."""
LARGE = 1_000_000
"""Bytes from which a call counts as large: it may take long without anything being wrong. One slot is never given to
these."""
TURN, STILL = 1.0, 0.5
"""Seconds that a further call waits for a slot at most, and without any call ending."""
SLOW = 1.0
"""Seconds after which a failed call counts as slow, so that others don't have to wait for the same failure."""
PROBE_EVERY, PROBE_TIMEOUT = 1.5, 2.0
"""Seconds between two probes of a place that doesn't answer, and the time limit of a probe."""
LEAST_RATE = 250_000
"""Minimum transfer rate in bytes a second; slower calls time out."""
COMMANDS_WAIT = 300.0
"""Time limit in commands, in seconds: they can wait, and retry what fails."""

T = TypeVar("T")


class NoAnswer(Exception):
    """The storage did not answer in time, or did not a moment ago, or has too many calls in progress."""


class TimedOut(NoAnswer):
    """The call was made, and exceeded its time limit."""


class Call(Generic[T]):
    """Work in a thread of its own, whose socket the waiting caller can shut down."""

    _own = threading.local()

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._outcome: T | None = None
        self._error: BaseException | None = None
        self._socket: socket.socket | None = None
        self._is_cut_off = False

    @classmethod
    def uses(cls, connected: socket.socket | None) -> None:
        """Register `connected` as the socket in use by the call that runs in this thread, if any."""
        call: Call[Any] | None = getattr(cls._own, "call", None)
        if call is None or connected is None:
            return
        call._socket = connected
        if call._is_cut_off:
            call.cut_off()

    def outcome(self, seconds: float) -> T:
        """Do the work and return its result, or raise its exception. Raises TimedOut after `seconds`."""
        threading.Thread(target=self._run, name="storage", daemon=True).start()
        if not self._done.wait(seconds):
            self.cut_off()
            raise TimedOut(f"no answer within {seconds:.2g} s")
        if self._error is not None:
            raise self._error
        outcome: Any = self._outcome
        return outcome  # type: ignore[no-any-return]

    def cut_off(self) -> None:
        self._is_cut_off = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        self._own.call = self
        try:
            self._outcome = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()


@dataclass(slots=True)
class _Silence:
    """A place that doesn't answer: the time from which one call may probe it, and whether one does now."""

    until: float
    is_probed: bool = False


class Gate:
    """Admits calls to one place; in web processes (STORAGE_WAIT is set) only a few at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._moved = self._answered = -math.inf
        self._silence: _Silence | None = None

    def call(self, work: Callable[[], T], *, size: int = 0) -> T:
        """Return the result of `work`, which transfers `size` bytes. Raises its exceptions, and NoAnswer."""
        if settings.STORAGE_WAIT is None:
            return Call(work).outcome(COMMANDS_WAIT + size / LEAST_RATE)
        is_probe = self._enter(MOST_AT_ONCE - 1 if size > LARGE else MOST_AT_ONCE)
        began, is_quick = time.monotonic(), False
        wait = min(PROBE_TIMEOUT, settings.STORAGE_WAIT) if is_probe else settings.STORAGE_WAIT
        try:
            outcome = Call(work).outcome(wait + size / LEAST_RATE)
            is_quick = True
        except Exception as error:
            # A fast failure delays nobody, and a 4xx is an answer, however slow.
            is_quick = time.monotonic() - began < SLOW or _is_an_answer(error)
            raise
        finally:
            self._leave(began, is_probe=is_probe, answers=is_quick)
        return outcome

    def _enter(self, most: int) -> bool:
        """Take a slot; return whether this call probes a place that didn't answer. Raises NoAnswer."""
        with self._changed:
            if self._silence:
                if self._silence.is_probed or time.monotonic() < self._silence.until:
                    raise NoAnswer("it did not respond a moment ago")
                self._silence.is_probed = True
            elif not self._has_turn(most):
                raise NoAnswer("there are too many concurrent requests")
            self._under_way += 1
            self._moved = time.monotonic()
            return self._silence is not None

    def _has_turn(self, most: int) -> bool:
        """Wait for a slot, for as long as other calls keep ending."""
        deadline = time.monotonic() + TURN
        while self._under_way >= most:
            left = min(deadline, self._moved + STILL) - time.monotonic()
            if left <= 0 or self._silence:
                return False
            self._changed.wait(left)
        return not self._silence

    def _leave(self, began: float, *, is_probe: bool, answers: bool) -> None:
        with self._changed:
            self._under_way -= 1
            self._moved = time.monotonic()
            if answers:
                self._answered = self._moved
            if is_probe:
                self._silence = None if answers else _Silence(self._moved + PROBE_EVERY)
            # A call that began before the last success says nothing about the present.
            elif not (answers or self._silence or began < self._answered):
                self._silence = _Silence(self._moved + PROBE_EVERY)
            self._changed.notify_all()


def _is_an_answer(error: Exception) -> bool:
    """Whether this is botocore's error for a request that was understood and refused (4xx)."""
    response = getattr(error, "response", None)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(response, dict) else 0
    return 400 <= int(status) < 500


@lru_cache(maxsize=256)
def gate(place: str) -> Gate:
    """Return the gate of `place`, which should be as specific as failures are: server and bucket."""
    return Gate()
