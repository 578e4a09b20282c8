"""How PostgreSQL is to look for the nearest rows: the one place that decides between a scan and the index.

The planner can't: it does not know when the walk through the index is complete, nor what a filter does to it, and with
old statistics takes a scan for dearer or cheaper than it is. `benchmarks/filters.py` prints the figures behind these
numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from django.db import connection, transaction

EXACT_BELOW = 5_000
"""With fewer rows to choose from than this a scan of them takes a few milliseconds and misses nothing."""


class Plan(StrEnum):
    # Only plain index scans can follow an ORDER BY: without them, the rows that pass the filter are found by their own
    # indexes (as bitmaps) or by reading all, and sorted.
    SCAN = "SET LOCAL enable_indexscan = off"
    # Strict order drops what a second round finds too late, so the first round should reach all candidates.
    WALK = "SET LOCAL enable_sort = off; SET LOCAL hnsw.ef_search = 400"


def plan_for(matching: int) -> Plan:
    """Return how to find the nearest of `matching` rows."""
    return Plan.SCAN if matching < EXACT_BELOW else Plan.WALK


@contextmanager
def planned(plan: Plan) -> Iterator[None]:
    """Queries within are run by `plan`."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(plan)
        yield
