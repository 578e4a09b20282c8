"""Makes measuring coverage cheap: slipcover removes its probes seldom, not all the time."""

import sys
import time
from typing import Any

SHARE = 0.005
"""Of the tests' CPU time."""


def look_seldom() -> None:
    """Have slipcover, if it is active, remove the probes of executed lines only so often that it costs little time.

    Whenever a line has been reached fifty more times, slipcover scans all modules, classes and frames to remove the
    probes of executed lines, for a tenth of a second. Probes that stay a while longer cost less.
    """
    slipcover = sys.modules.get("slipcover")
    if slipcover is None or sys.version_info >= (3, 12):  # later versions of Python remove them at once
        return
    measuring = slipcover.Slipcover
    look = measuring.deinstrument_seen
    if getattr(look, "seldom", False):
        return
    next_look = 0.0

    def seldom(measured: Any) -> None:
        nonlocal next_look
        begun = time.process_time()
        if begun >= next_look:
            look(measured)
            next_look = time.process_time() + (time.process_time() - begun) / SHARE

    seldom.seldom = True  # type: ignore[attr-defined]
    measuring.deinstrument_seen = seldom
