"""What makes measuring coverage cheap: slipcover takes out its probes now and then, not all the time."""

import sys
import time
from typing import Any

SHARE = 0.005
"""Of the time of the tests."""


def look_seldom() -> None:
    """Have slipcover, if it measures, look for lines that were reached only as often as costs the tests' time little.

    Each time a line was reached fifty times more it looks through all modules, classes and frames, for a tenth of a
    second, to take its probes out of all lines that were reached. Probes that stay in a while longer cost less.
    """
    slipcover = sys.modules.get("slipcover")
    if slipcover is None or sys.version_info >= (3, 12):  # later Pythons take them out at once
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
