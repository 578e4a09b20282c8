"""Ctrl-C and SIGTERM of commands, which are not lost."""

import signal
import sys
import threading
from typing import Any

_AGAIN = 0.1
"""Seconds after which a lost interruption is repeated: Python would lose it again before it has left the callback."""


def keep_interrupts() -> None:
    """Have SIGTERM raise KeyboardInterrupt as Ctrl-C does, and repeat one that Python drops.

    By default SIGTERM ends a process at once: drafts would stay, and the embedded database would keep running. And an
    exception in a callback is only reported: importing torch runs thousands of them, and the command would continue.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report, main = sys.unraisablehook, threading.main_thread().ident

    def repeat(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            report(unraisable)
            return
        again = threading.Timer(_AGAIN, signal.pthread_kill, [main, signal.SIGINT])
        again.daemon = True
        again.start()

    sys.unraisablehook = repeat
