"""Timing of backends, robust on a busy machine.

Measures this process's processor time, not wall time: other processes don't count, and ingestion or a server has other
work for cores that a backend leaves idle.
"""

import math
import time
from collections.abc import Callable, Mapping

ROUNDS, FEWEST_ROUNDS = 7, 3
BUDGET = 6.0
"""Seconds of wall time after which no further round begins."""
HOPELESS = 4
"""A backend that was this many times as slow as the fastest, twice, is not run again: bfloat16 multiplications that a
processor has to emulate are 41 times as slow."""


def least_seconds(ways: Mapping[str, Callable[[], object]], budget: float = BUDGET) -> dict[str, float]:
    """Return the minimum processor time of each function over some interleaved rounds."""
    for run in ways.values():
        run()  # allocations of the first use
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
