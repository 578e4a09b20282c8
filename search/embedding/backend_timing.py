"""Which of several ways is the fastest, on this machine, also while it does something else.

What counts is the processor time of this process, not the clock: other processes take no part of it, and an ingestion
or a server has other work for the cores that a way leaves idle.
"""

import math
import time
from collections.abc import Callable, Mapping

ROUNDS, FEWEST_ROUNDS = 7, 3
BUDGET = 6.0
"""Seconds, by the clock, after which no further round begins."""
HOPELESS = 4
"""A way that took so many times as long as the fastest, twice, has no further turn: multiplications that a processor
does not have are emulated, 41 times as slow."""


def least_seconds(ways: Mapping[str, Callable[[], object]], budget: float = BUDGET) -> dict[str, float]:
    """Return the processor time of each way when nothing disturbs it: the least of some rounds, in turns."""
    for run in ways.values():
        run()  # what is laid out at the first use
    least = dict.fromkeys(ways, math.inf)
    end = time.monotonic() + budget
    for number in range(ROUNDS):
        if number >= FEWEST_ROUNDS and time.monotonic() > end:
            break
        for name, run in ways.items():
            if number >= 2 and least[name] > HOPELESS * min(least.values()):
                continue
            begun = time.process_time()
            run()
            least[name] = min(least[name], time.process_time() - begun)
    return least
