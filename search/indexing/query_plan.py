"""Query plans of vector searches: the one place that decides between a full scan and the HNSW index.

PostgreSQL's planner can't: it does not know when an index scan is complete, nor how a filter affects it, and with old
statistics it misjudges the cost of a full scan. `make bench` prints the figures behind these constants.
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
"""Candidates of a search: the nearest rows, ten pages."""
FEWEST_CANDIDATES = 96
"""Candidates where a filter makes each of them expensive: four pages."""
EXACT_BELOW = 5_000
"""With fewer rows than this, a full scan takes a few milliseconds, and is exact."""
ROW_VISITED, ROW_SCANNED = 50, 3
"""Microseconds per vector visited by an index scan, whose image is looked up by id, and per image compared in a full
scan, by the copy in its own row: 100,000 rows, all in memory. For a filter that keeps a tenth of them, the index takes
1.6 times the processor time of the full scan, and finds less."""
_NARROWEST = 320
"""Minimum `ef_search`. Less than the number of candidates would cause a second iteration, at the same cost again."""
_WIDER_IN_PARTS = 1.1
"""Factor for the `ef_search` of each of several partitions, over that of a table of its size. That each needs to find
only its share of the nearest saves nothing (figures in docs/scaling.md)."""
_NARROWEST_UP_TO = 100_000
_SPARE = 1.4
"""Factor for the vectors visited, so that one iteration is nearly always enough: a second one costs as much again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings that leave PostgreSQL one plan, and the number of candidates to fetch."""

    settings: str
    candidates: int = CANDIDATES
    is_exact: bool = False


# For a full scan, queries order by an expression without an index, so that the planner is free to choose how to find
# the rows that pass the filter.
SCAN = Plan("SET LOCAL jit = off", is_exact=True)
# Full-text matches are looked up by id, or all rows are read where most match: the planner knows how many do. An order
# by text rank can't use the vectors' index. JIT compilation of such a query takes longer than running it.
BY_WORDS = Plan("SET LOCAL jit = off", is_exact=True)

# For whether there is any full-text match: the planner would read the table up to the first one, and all of it where
# two frequent words never meet.
BY_WORDS_INDEX = Plan("SET LOCAL enable_seqscan = off", is_exact=True)


def index_scan(candidates: int, rows: int, visited: float = 0, parts: int = 1) -> Plan:
    """Return the plan of an index scan for `candidates` of `rows` rows, which visits `visited` vectors because a
    filter drops the others. Rows come in approximate order, and must be sorted again.

    If the rows are in `parts` hash partitions, each of these is scanned, and has its share of the nearest.
    """
    width = max(_SPARE * visited / parts, _width(rows / parts) * (_WIDER_IN_PARTS if parts > 1 else 1))
    return Plan(set_local({"enable_sort": "off", **indexing.scan_settings(width)}), candidates)


def joined_index_scan(width: float) -> Plan:
    """Return the plan of index scans that are joined to other rows, one scan for each, with `ef_search` of about
    `width`."""
    return Plan(set_local({"enable_sort": "off", "jit": "off", **indexing.scan_settings(width)}))


def set_local(settings: Mapping[str, object]) -> str:
    return "; ".join(f"SET LOCAL {name} = {value}" for name, value in settings.items())


def _width(rows: float) -> float:
    """Return the `hnsw.ef_search` with which recall@24 among `rows` rows is at least 0.98.

    It grows with the square root of their number. Measured for text queries, which are out of the pictures'
    distribution, with m = 16 and ef_construction = 128 (record 16; all of it in benchmarks/RESULTS-FULL.md).
    Beyond a million it has reached its maximum, and recall falls.
    """
    return _NARROWEST * math.sqrt(max(1.0, rows / _NARROWEST_UP_TO))


def plan_for(matching: int, table: VectorTable | None) -> Plan:
    """Return the plan for finding the nearest of the `matching` pictures that pass the filters in `table`, whose index
    also has hidden pictures and windows."""
    if matching < max(EXACT_BELOW, 1) or table is None:
        return SCAN
    pictures = max(matching, table.vectors - table.windows)
    share = matching / pictures
    # In steps, so that one picture more or less between two pages changes nothing.
    candidates = max(FEWEST_CANDIDATES, 24 * math.ceil(CANDIDATES * share / 24))
    rows = pictures + table.windows
    visited = candidates * rows / matching
    return (
        SCAN
        if matching * ROW_SCANNED < visited * ROW_VISITED
        else index_scan(candidates, rows, visited, table.partitions)
    )


@contextmanager
def planned(plan: Plan) -> Iterator[None]:
    """Run queries in the context, which must be read-only, by `plan`."""
    with connection.execute_wrapper(_Planned(plan)):
        yield


class _Planned:
    """Sends each query with its settings, in one round trip instead of the four of a transaction."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
    ) -> Any:
        # Statements sent together are one transaction, with which SET LOCAL ends. Within an open transaction, rolling
        # back to a savepoint resets the settings.
        statements = [self._plan.settings, sql]
        if connection.in_atomic_block:
            statements = ["SAVEPOINT planned", *statements, "ROLLBACK TO planned", "RELEASE planned"]
        result = execute("; ".join(statements), params, many, context)
        cursor = context["cursor"]
        # Not `description`, which makes an object of each column.
        while not cursor.pgresult.nfields and cursor.nextset():
            pass
        return result
