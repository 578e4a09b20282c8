"""Recall and cost of the index's parameters and of `ef_search`.

Text queries by prepared SQL on a table of vectors only, so that the index itself is measured.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median

import psutil

from benchmarks.report import table
from benchmarks.resumable_measurements import Kept
from benchmarks.vector_table import NEAREST, VectorTable, filled, vector_table

PER_PAGE = 24
MS, EF_CONSTRUCTIONS = (16, 24, 32), (64, 128, 200)
WIDTHS = (100, 200, 300, 400, 600, 800, 1000)
LARGE = 1_000_000
HEADER = ["rows", "m", "ef_construction", "build, s", "index, MB", "ef_search", "order", "recall@24", "@240"]
HEADER += ["ms", "ms of processor"]
NEAREST_SQL = f"SELECT id FROM v ORDER BY embedding <=> %b LIMIT {NEAREST}"


@dataclass(frozen=True)
class Index:
    """An HNSW index of `rows` rows as it was built."""

    rows: int
    m: int
    ef_construction: int
    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Outcome:
    """Results of searches through `index`: recall of the first page and of all candidates, milliseconds a query."""

    index: Index
    ef_search: int
    order: str
    recall: float
    recall_of_candidates: float
    milliseconds: float
    processor_milliseconds: float

    def row(self) -> list[str]:
        index = self.index
        built = [f"{index.rows:,}", f"{index.m}", f"{index.ef_construction}", f"{index.seconds:.0f}"]
        figures = [f"{self.recall:.3f}", f"{self.recall_of_candidates:.3f}", f"{self.milliseconds:.1f}"]
        cost = f"{self.processor_milliseconds:.1f}"
        return [*built, f"{index.megabytes:.0f}", f"{self.ef_search}", self.order, *figures, cost]


def measure(cells: Sequence[tuple[int, int, int]], widths: Sequence[int], cache: Path) -> Iterator[Outcome]:
    """Yield the outcomes for each of `cells`, (rows, m, ef_construction), as they come; fewest rows first."""
    with vector_table(cache) as vectors:
        # A stable sort: the cells of one size stay in their order.
        for rows, m, ef_construction in sorted(cells, key=lambda cell: cell[0]):
            vectors.connection.execute("DROP INDEX IF EXISTS v_hnsw")
            if vectors.rows < rows:
                filled(vectors, rows)
            index = _built(vectors, m, ef_construction)
            for width in widths:
                for order in ("strict", "relaxed"):
                    yield _searched(vectors, index, width, order)
                    if width >= NEAREST:
                        break  # one round of the iterative scan is enough, and its rows are in order


def _built(vectors: VectorTable, m: int, ef_construction: int) -> Index:
    start = time.perf_counter()
    vectors.connection.execute(
        "CREATE INDEX v_hnsw ON v USING hnsw (embedding halfvec_cosine_ops) "
        f"WITH (m = {m}, ef_construction = {ef_construction})"
    )
    seconds = time.perf_counter() - start
    size = vectors.connection.execute("SELECT pg_relation_size('v_hnsw')").fetchone()
    assert size is not None
    return Index(vectors.rows, m, ef_construction, seconds, size[0] / 2**20)


def _searched(vectors: VectorTable, index: Index, ef_search: int, order: str) -> Outcome:
    connection = vectors.connection
    for name, value in {
        "enable_seqscan": "off",
        "jit": "off",
        "hnsw.ef_search": str(ef_search),
        "hnsw.iterative_scan": f"{order}_order",
    }.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    backend = psutil.Process(connection.info.backend_pid)
    parameters = vectors.parameters()
    for query in parameters[:20]:
        connection.execute(NEAREST_SQL, [query], prepare=True)
    found, times = [], []
    processor = sum(backend.cpu_times()[:2])
    for query in parameters:
        start = time.perf_counter()
        rows = connection.execute(NEAREST_SQL, [query], prepare=True).fetchall()
        times.append(time.perf_counter() - start)
        found.append([row[0] for row in rows])
    processor = sum(backend.cpu_times()[:2]) - processor
    neighbours = vectors.neighbours
    recalls = neighbours.recall(found, PER_PAGE), neighbours.recall(found, NEAREST)
    return Outcome(index, ef_search, order, *recalls, 1000 * median(times), 1000 * processor / len(parameters))


def grid(cache: Path, sizes: Sequence[int], tell: Callable[[str], None], kept: Kept) -> str:
    """Measure the whole grid; at a million rows and more only the product's parameters and one better set."""
    cells = [(rows, m, built) for rows in sizes if rows < LARGE for built in EF_CONSTRUCTIONS for m in MS]
    cells += [(rows, *parameters) for rows in sizes if rows >= LARGE for parameters in ((16, 128), (16, 200))]
    left = [cell for cell in cells if _named(cell) not in kept]
    for cell, outcomes in groupby(measure(left, WIDTHS, cache), key=_cell_of):
        rows = [outcome.row() for outcome in outcomes]
        tell(" ".join(rows[-1]))
        kept.once(_named(cell), partial(list, rows))
    return table(HEADER, [row for cell in cells for row in kept.once(_named(cell), list)])


def _cell_of(outcome: Outcome) -> tuple[int, int, int]:
    return outcome.index.rows, outcome.index.m, outcome.index.ef_construction


def _named(cell: tuple[int, int, int]) -> str:
    rows, m, ef_construction = cell
    return f"grid, {rows} rows, m {m}, ef_construction {ef_construction}"
