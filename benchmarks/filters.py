"""Recall and speed of filtered searches and deep pages, against an exact scan; and the whole page."""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import table
from benchmarks.search_page import Visitor
from benchmarks.vectors import word_like
from benchmarks.world import TAGS

DEEP_PAGE = 40
SPANS = {
    "ten years": (dt.date(2011, 1, 1), dt.date(2020, 12, 31)),
    "a year": (dt.date(2015, 1, 1), dt.date(2015, 12, 31)),
    "a month": (dt.date(2015, 7, 1), dt.date(2015, 7, 31)),
}


@dataclass(frozen=True)
class Outcome:
    """Recall of the first page against an exact scan, and the median milliseconds of a search without its first
    count."""

    task: str
    matching: int
    recall: float
    milliseconds: float
    scan_milliseconds: float

    def row(self) -> list[str]:
        figures = [f"{self.recall:.3f}", f"{self.milliseconds:.1f}", f"{self.scan_milliseconds:.1f}"]
        return [self.task, f"{self.matching:,}", *figures]


def measure(queries: int) -> list[Outcome]:
    """Search without a filter, with increasingly selective filters by tag and date taken, and the fortieth page."""
    from search.query import Filters, SearchQuery  # noqa: PLC0415 - after make_world

    vectors = [vector for batch in word_like(queries, seed=7) for vector in batch]
    outcomes = [_measured("no filter", SearchQuery(words="x"), vectors)]
    for tag, each in TAGS.items():
        query = SearchQuery(words="x", filters=Filters(tags=(tag,)))
        outcomes.append(_measured(f"a filter that keeps {100 / each:g} %", query, vectors))
    for name, span in SPANS.items():
        dated = Filters(taken_since=span[0], taken_until=span[1])
        outcomes.append(_measured(f"taken within {name}", SearchQuery(words="x", filters=dated), vectors))
    outcomes.append(_measured(f"page {DEEP_PAGE}", SearchQuery(words="x", page=DEEP_PAGE), vectors))
    return outcomes


def filters_table(rows: int, outcomes: Sequence[Outcome], page: str) -> str:
    head = [f"search at {rows:,} rows", "matching", "recall@24", "ms", "scan, ms"]
    return table(head, [outcome.row() for outcome in outcomes]) + "\n\n" + page


def timeline(rows: int, jumps: int) -> str:
    """Return the server's cost of a jump to a month of the timeline, and of opening the filters with their months,
    with counts recomputed each time, as after new pictures."""
    from django.core.cache import cache  # noqa: PLC0415 - after make_world
    from django.test import Client  # noqa: PLC0415

    client = Client(headers={"host": "127.0.0.1"})
    panel = {"HX-Request": "true", "HX-Target": "filters-panel"}

    def uncached_counts(address: str, **headers: Any) -> Any:
        cache.clear()
        return client.get(address, **headers)

    asked: dict[str, Callable[[int], Any]] = {
        "a jump to a month of the timeline": lambda number: client.get(f"/timeline/?at={_month(number)}"),
        "the same, months counted anew": lambda number: uncached_counts(f"/timeline/?at={_month(number)}"),
        "a search sorted by date taken": lambda number: client.get("/search?q=x&sort=taken"),
        "the filters of a search": lambda number: client.get("/search?q=x", headers=panel),
        "the same, counted anew": lambda _: uncached_counts("/search?q=x", headers=panel),
    }
    lines = []
    for task, ask in asked.items():
        ask(0)
        wall, processor = zip(*(_costs(partial(ask, number)) for number in range(jumps)), strict=True)
        slowest = sorted(wall)[int(0.95 * len(wall))]
        lines.append([task, *(f"{1000 * one:.1f}" for one in (median(wall), slowest, median(processor)))])
    return table([f"server at {rows:,} rows", "ms", "95th", "ms of its processor"], lines)


def _month(number: int) -> str:
    return f"{2001 + number * 7 % 20}-{1 + number * 5 % 12:02}"


def _costs(run: Callable[[], Any]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def whole_page(visitor: Visitor, queries: Sequence[str]) -> str:
    """Return the cost of a page with a cached query vector: facets, counts, links and all, over HTTP."""
    from django.db import connection  # noqa: PLC0415 - after make_world
    from django.test import Client  # noqa: PLC0415

    times = []
    for words in queries:
        visitor.search(words)
        start = time.perf_counter()
        visitor.search(words)
        times.append(time.perf_counter() - start)
    # The database's share, measured in this process.
    client = Client(headers={"host": "127.0.0.1"})
    client.get("/search", {"q": queries[0]})
    pages: list[list[float]] = []

    def timed(execute: Callable[..., object], *args: object) -> object:
        start = time.perf_counter()
        try:
            return execute(*args)
        finally:
            pages[-1].append(time.perf_counter() - start)

    with connection.execute_wrapper(timed):
        for words in queries:
            pages.append([])
            client.get("/search", {"q": words})
    waits = median(sum(page) for page in pages)
    return (
        f"The whole search page, words with a known vector: median {1000 * median(times):.1f} ms over HTTP, of which "
        f"{1000 * waits:.1f} ms are the {median(len(page) for page in pages):.0f} statements."
    )


def _measured(task: str, query: Any, vectors: Sequence[npt.NDArray[np.float32]]) -> Outcome:
    from search.retrieval import PER_PAGE, find, query_vector  # noqa: PLC0415 - after make_world

    recalls, ours, scans = [], [], []
    original = vars(query_vector)["text_vector"]
    found = 0
    try:
        for vector in vectors:
            vars(query_vector)["text_vector"] = partial(_known, vector)
            right, seconds = _timed(partial(_scanned, query, vector))
            scans.append(seconds)
            find(query)  # caches the counts
            page, seconds = _timed(lambda: find(query))
            ours.append(seconds)
            found = page.found
            recalls.append(len({image.id for image in page.images} & set(right)) / min(PER_PAGE, len(right)))
    finally:
        vars(query_vector)["text_vector"] = original
    return Outcome(task, found, float(np.mean(recalls)), 1000 * median(ours), 1000 * median(scans))


def _known(vector: npt.NDArray[np.float32], _text: str) -> npt.NDArray[np.float32]:
    return vector


def _scanned(query: Any, vector: npt.NDArray[np.float32]) -> list[Any]:
    """The ids of this page by an exact scan."""
    from search.embedding import active_model  # noqa: PLC0415 - after make_world
    from search.indexing.query_plan import SCAN, planned  # noqa: PLC0415
    from search.models import Image  # noqa: PLC0415
    from search.models.vector_sets import current_set  # noqa: PLC0415
    from search.retrieval import PER_PAGE  # noqa: PLC0415

    start = (query.page - 1) * PER_PAGE
    model = active_model()
    with planned(SCAN):
        images = query.all_filters.apply(Image.objects.searchable(model))
        nearest = images.nearest_to(vector, current_set(model))
        return list(nearest.values_list("pk", flat=True)[start : start + PER_PAGE])


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = run()
    return found, time.perf_counter() - start
