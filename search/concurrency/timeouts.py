"""Nobody waits long for a storage: few calls are under way at once, each has an end, and while one place doesn't
answer all others who ask there fail at once.

Timeouts of sockets don't suffice: each byte that trickles in, each address of a name and each attempt begins them
anew, and looking a name up has none. So a call runs in a thread of its own, which is waited for until a deadline; then
the connection that it holds is cut off, and the thread ends by itself.
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
"""Calls to one place under way in a process that answers requests, of its eight threads: searches find the others."""
LARGE = 1_000_000
"""Bytes from which a call may take long where all is well. One of the calls at once is none of these."""
TURN, STILL = 1.0, 0.5
"""Seconds that one more call waits for its turn, and after which it doesn't where none of those at once has ended."""
SLOW = 1.0
"""Seconds after which a failure is no quick one: others that ask are spared the same."""
TRIED_EVERY, TRIED_FOR = 1.5, 2.0
"""Seconds between two tries of a place that doesn't answer, and seconds that the try may take."""
LEAST_RATE = 250_000
"""Bytes a second that a storage must bring or take."""
COMMANDS_WAIT = 300.0
"""Seconds that a command waits: it has the time, and repeats what fails."""

T = TypeVar("T")


class NoAnswer(Exception):
    """A storage has not answered in time, or not a moment ago, or too many are asking it."""


class TimedOut(NoAnswer):
    """It was asked, and has not answered in time."""


class Call(Generic[T]):
    """Work in a thread of its own. The socket that it uses can be shut down by whoever waits for it."""

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
        """The call that this thread belongs to, if any, waits for this socket now."""
        call: Call[Any] | None = getattr(cls._own, "call", None)
        if call is None or connected is None:
            return
        call._socket = connected
        if call._is_cut_off:
            call.cut_off()

    def outcome(self, seconds: float) -> T:
        """Do the work; return what it returns and raise what it raises. Raises TimedOut after so many seconds."""
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
    """A place doesn't answer: from when on one call may try it again, and whether one does."""

    until: float
    is_tried: bool = False


class Gate:
    """What all calls to one place go through. In a process that answers requests few do so at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._moved = self._answered = -math.inf
        self._silence: _Silence | None = None

    def call(self, work: Callable[[], T], *, size: int = 0) -> T:
        """Return what `work` does, which brings or takes `size` bytes. Raises what it raises, and NoAnswer."""
        if settings.STORAGE_WAIT is None:
            return Call(work).outcome(COMMANDS_WAIT + size / LEAST_RATE)
        is_try = self._enter(MOST_AT_ONCE - 1 if size > LARGE else MOST_AT_ONCE)
        began, is_quick = time.monotonic(), False
        wait = min(TRIED_FOR, settings.STORAGE_WAIT) if is_try else settings.STORAGE_WAIT
        try:
            outcome = Call(work).outcome(wait + size / LEAST_RATE)
            is_quick = True
        except Exception as error:
            # What is refused at once keeps nobody waiting, and who refuses by a 4xx has answered, however busy.
            is_quick = time.monotonic() - began < SLOW or _is_an_answer(error)
            raise
        finally:
            self._leave(began, is_try=is_try, answers=is_quick)
        return outcome

    def _enter(self, most: int) -> bool:
        """Return whether this call tries a place that didn't answer. Raises NoAnswer."""
        with self._changed:
            if self._silence:
                if self._silence.is_tried or time.monotonic() < self._silence.until:
                    raise NoAnswer("it did not answer a moment ago")
                self._silence.is_tried = True
            elif not self._has_turn(most):
                raise NoAnswer("too many are asking it at once")
            self._under_way += 1
            self._moved = time.monotonic()
            return self._silence is not None

    def _has_turn(self, most: int) -> bool:
        """Wait for one's turn, as long as calls come to their ends."""
        deadline = time.monotonic() + TURN
        while self._under_way >= most:
            left = min(deadline, self._moved + STILL) - time.monotonic()
            if left <= 0 or self._silence:
                return False
            self._changed.wait(left)
        return not self._silence

    def _leave(self, began: float, *, is_try: bool, answers: bool) -> None:
        with self._changed:
            self._under_way -= 1
            self._moved = time.monotonic()
            if answers:
                self._answered = self._moved
            if is_try:
                self._silence = None if answers else _Silence(self._moved + TRIED_EVERY)
            # What began before the last answer tells nothing new.
            elif not (answers or self._silence or began < self._answered):
                self._silence = _Silence(self._moved + TRIED_EVERY)
            self._changed.notify_all()


def _is_an_answer(error: Exception) -> bool:
    """Whether this is botocore's error for a request that was understood and refused."""
    response = getattr(error, "response", None)
    told = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(response, dict) else 0
    return 400 <= int(told) < 500


@lru_cache(maxsize=256)
def gate(place: str) -> Gate:
    """Return the gate to a place, which is named as precisely as it fails: a server and a bucket."""
    return Gate()
