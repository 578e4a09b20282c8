"""Ctrl-C and SIGTERM: the first one asks for an orderly end, a second Ctrl-C gets what it always gets."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping_in_order(stop: Callable[[], None]) -> Iterator[None]:
    """Have the first SIGINT or SIGTERM during the block call `stop`. Outside the main thread signals go elsewhere."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        # From here on either of them ends the process, SIGTERM too: whoever sends it again means it.
        restore()
        stop()

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)  # None: it was not set by Python

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        restore()
