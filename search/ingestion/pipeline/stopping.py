"""Ctrl-C and SIGTERM: the first asks for an orderly end, a second one has its default effect.

A signal handler interrupts the main thread anywhere, so it must take no lock: the main thread may hold it.
"""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop(threading.Event):
    """An event that a signal handler may set. Python's own takes a lock, which the interrupted thread may hold."""

    def __init__(self) -> None:
        super().__init__()
        self._is_set = False
        self._readable, self._written = os.pipe()

    def set(self) -> None:
        self._is_set = True
        os.write(self._written, b"\0")  # wakes all waiting threads; never read

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set:
            poll = select.poll()
            poll.register(self._readable, select.POLLIN)
            poll.poll(None if timeout is None else max(0, timeout * 1000))
        return self._is_set

    def __del__(self) -> None:
        os.close(self._readable)
        os.close(self._written)


@contextmanager
def stopping_in_order(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first SIGINT or SIGTERM during the block; it must not wait for any lock.

    Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        # From here on both signals end the process: sending one twice is deliberate.
        restore()
        stop()

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)  # None: not set by Python

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        restore()
