"""How PostgreSQL is to look for the nearest rows: the one place that decides between a scan and the index.

The planner can't: it does not know when the walk through the index is complete, nor what a filter does to it, and with
old statistics takes a scan for dearer or cheaper than it is. `make bench` prints the figures behind these numbers.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from search.models.hnsw import indexing
from search.models.vector_sets import VectorTable

CANDIDATES = 240
"""Nearest rows that are candidates of a search: ten pages."""
FEWEST_CANDIDATES = 96
"""Candidates where a filter makes each of them dear: four pages."""
EXACT_BELOW = 5_000
"""With fewer rows to choose from than this a scan of them takes a few milliseconds and misses nothing."""
ROW_WALKED, ROW_SCANNED = 50, 3
"""Microseconds for each vector that the walk is to visit, whose image is looked up by its id, or for each image that a
scan measures by the copy in its own row: 100,000 rows, all in memory. Of a filter that keeps a tenth of them, the walk
takes 1.6 times the processor time of the scan, and finds less."""
_NARROWEST = 320
"""Least width of a walk. Fewer than there are candidates would mean a second round of it, at the same cost again."""
_WIDER_IN_PARTS = 1.1
"""How much wider each of several parts is walked than a table of its size. That each has to find no more than its
share of what is near saves nothing: neighbours of words among 5,000,000 pictures in 8 parts (`make bench-full`):

| ef_search | recall@24 |
| --------- | --------- |
| 200       | 0.824     |
| 400       | 0.932     |
| 700       | 0.973     |
| 1,000     | 0.987     |
"""
_NARROWEST_UP_TO = 100_000
_SPARE = 1.4
"""Of what a walk visits, so that one round nearly always brings enough: a second one costs as much again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings that leave PostgreSQL one way to go, and how many candidates it is to bring."""

    settings: str
    candidates: int = CANDIDATES
    is_exact: bool = False


# Who asks for a scan orders by what no index is of, so that the planner is free to choose how the rows that pass the
# filter are found.
SCAN = Plan("SET LOCAL jit = off", is_exact=True)
# Rows that words find are looked up by their ids, or all read where most hold the words: the planner knows how many
# do. No order by words can follow the vectors' index. To compile such a query takes longer than to run it.
BY_WORDS = Plan("SET LOCAL jit = off", is_exact=True)


def walk(candidates: int, rows: int, visited: float = 0, parts: int = 1) -> Plan:
    """Return the plan that walks the index of `rows` rows to `candidates` of them, past all that a filter drops: so
    that `visited` are passed on the way. The rows come nearly in order and are to be sorted again.

    Where the rows are divided by chance into `parts`, each of these is walked, and has its share of what is near.
    """
    width = max(_SPARE * visited / parts, _width(rows / parts) * (_WIDER_IN_PARTS if parts > 1 else 1))
    return Plan(set_local({"enable_sort": "off", **indexing.walk_settings(width)}), candidates)


def walk_beside(width: float) -> Plan:
    """Return the plan that walks the index once for each of some rows, to what is nearest to it, that many in view."""
    return Plan(set_local({"enable_sort": "off", "jit": "off", **indexing.walk_settings(width)}))


def set_local(settings: Mapping[str, object]) -> str:
    return "; ".join(f"SET LOCAL {name} = {value}" for name, value in settings.items())


def _width(rows: float) -> float:
    """Return the `hnsw.ef_search` with which recall@24 is 0.98 and more among `rows` rows.

    It grows with the root of their number. Measured for words, which lie off the side that pictures are on, with the
    index's m = 16 and ef_construction = 128 (`make bench-full`):

    | rows      | ef_search | recall@24 |
    | --------- | --------- | --------- |
    | 30,000    | 300       | 1.000     |
    | 100,000   | 300       | 1.000     |
    | 500,000   | 400       | 0.965     |
    | 500,000   | 600       | 0.991     |
    | 1,000,000 | 800       | 0.958     |
    | 1,000,000 | 1,000     | 0.984     |

    Beyond a million it can't grow any more, and the recall falls.
    """
    return _NARROWEST * math.sqrt(max(1.0, rows / _NARROWEST_UP_TO))


def plan_for(matching: int, table: VectorTable | None) -> Plan:
    """Return how to find the nearest of the `matching` pictures that pass the filters, out of those in `table`: hidden
    ones, and windows of wide and tall ones, are met on the way too."""
    if matching < max(EXACT_BELOW, 1) or table is None:
        return SCAN
    pictures = max(matching, table.vectors - table.windows)
    share = matching / pictures
    # In steps, so that a picture more or less between two pages changes nothing.
    candidates = max(FEWEST_CANDIDATES, 24 * math.ceil(CANDIDATES * share / 24))
    rows = pictures + table.windows
    visited = candidates * rows / matching
    return SCAN if matching * ROW_SCANNED < visited * ROW_WALKED else walk(candidates, rows, visited, table.partitions)


@contextmanager
def planned(plan: Plan) -> Iterator[None]:
    """Queries within, which may only read, are run by `plan`; no query after them is."""
    with connection.execute_wrapper(_Planned(plan)):
        yield


class _Planned:
    """Sends each query together with its settings, in one round trip instead of the four of a transaction."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
    ) -> Any:
        # Statements that are sent together are one transaction, and SET LOCAL ends with it. Within a transaction that
        # goes on, going back to a savepoint takes the settings back.
        statements = [self._plan.settings, sql]
        if connection.in_atomic_block:
            statements = ["SAVEPOINT planned", *statements, "ROLLBACK TO planned", "RELEASE planned"]
        result = execute("; ".join(statements), params, many, context)
        cursor = context["cursor"]
        while cursor.description is None and cursor.nextset():
            pass
        return result
