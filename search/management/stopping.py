"""Ctrl-C and SIGTERM ask a command to stop: the batch at hand is finished first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import OutputWrapper


@contextmanager
def stopped_by_signals(out: OutputWrapper) -> Iterator[threading.Event]:
    """Yield what is set by the first SIGINT or SIGTERM of the block; a second one ends the process at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        out.write("Stopping after the batch at hand.")
        stop.set()
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
