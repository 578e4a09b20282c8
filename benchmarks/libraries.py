"""The index against in-memory libraries: faiss, hnswlib and usearch.

The same vectors and the same text-like queries, one thread a query, parameters as similar as possible (m 16,
ef_construction 128); each index is built with all cores. Libraries return row numbers; a search here returns rows that
pass filters, from a durable database, so it can't be as fast. Memory is the growth of the process; here it is the size
of the index, which contains the vectors as the libraries' do.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import hnswlib
import numpy as np
import psutil
from usearch.index import Index as UsearchIndex

from benchmarks.index_grid import PER_PAGE, measure
from benchmarks.report import table
from benchmarks.vector_table import NEAREST, QUERIES, Neighbours, stored
from benchmarks.vectors import Vectors, picture_like, word_like

M, EF_CONSTRUCTION = 16, 128
WIDTHS = (240, 400, 800)
"""Values of ef. All candidates are requested, as in a search here, so it is at least 240."""


@dataclass(frozen=True)
class Row:
    name: str
    recall: float
    milliseconds: float
    build_seconds: float
    megabytes: float

    def cells(self) -> list[str]:
        cost = [f"{self.milliseconds:.2f}", f"{self.build_seconds:.0f}", f"{self.megabytes:.0f}"]
        return [self.name, f"{self.recall:.3f}", *cost]


Search = Callable[[Vectors], Sequence[int]]
"""From one query, shape (1, dimensions), to the nearest rows."""


def libraries(rows: int, cache: Path) -> str:
    """Build and search all of them with `rows` vectors, each library in a process of its own."""
    found = list(_in_postgresql(rows, cache))
    with TemporaryDirectory(dir=cache) as folder:
        file = Path(folder) / "vectors.npy"
        np.save(file, np.vstack([stored(batch) for batch in picture_like(rows, seed=0)]))
        for library in LIBRARIES:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                found += process.submit(_measured, library, file).result()
    header = [f"{NEAREST} nearest of {rows:,}", f"recall@{PER_PAGE}", "ms", "build, s", "memory, MB"]
    return table(header, [row.cells() for row in found])


def _in_postgresql(rows: int, cache: Path) -> Iterator[Row]:
    for outcome in measure([(rows, M, EF_CONSTRUCTION)], WIDTHS, cache):
        index = outcome.index
        name = f"this system's index by SQL, halves, ef {outcome.ef_search}"
        yield Row(name, outcome.recall, outcome.milliseconds, index.seconds, index.megabytes)


def _measured(library: str, file: Path) -> list[Row]:
    vectors: Vectors = np.load(file)
    right = Neighbours(np.vstack(list(word_like(QUERIES, seed=7))))
    for first in range(0, len(vectors), 50_000):
        right.show(vectors[first : first + 50_000], first)
    process = psutil.Process()
    before, start = process.memory_info().rss, time.perf_counter()
    rows: list[Row] = []
    seconds, megabytes = 0.0, 0.0
    for name, search in LIBRARIES[library](vectors):
        if not rows:
            seconds = time.perf_counter() - start
            megabytes = (process.memory_info().rss - before) / 2**20
        found, times = [], []
        for query in right.queries:
            begun = time.perf_counter()
            nearest = search(query[None])
            times.append(time.perf_counter() - begun)
            found.append(list(nearest))
        rows.append(Row(name, right.recall(found, PER_PAGE), 1000 * median(times), seconds, megabytes))
    return rows


def _faiss_flat(vectors: Vectors) -> Iterator[tuple[str, Search]]:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.omp_set_num_threads(1)
    yield "faiss Flat (exact), float32", lambda query: index.search(query, NEAREST)[1][0].tolist()


def _faiss_hnsw(vectors: Vectors) -> Iterator[tuple[str, Search]]:
    index = faiss.IndexHNSWFlat(vectors.shape[1], M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    index.add(vectors)
    faiss.omp_set_num_threads(1)
    for width in WIDTHS:
        index.hnsw.efSearch = width
        yield f"faiss HNSW, float32, ef {width}", lambda query: index.search(query, NEAREST)[1][0].tolist()


def _hnswlib(vectors: Vectors) -> Iterator[tuple[str, Search]]:
    index: Any = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=EF_CONSTRUCTION, M=M)
    index.add_items(vectors)
    for width in WIDTHS:
        index.set_ef(width)
        yield (
            f"hnswlib, float32, ef {width}",
            lambda query: index.knn_query(query, k=NEAREST, num_threads=1)[0][0].tolist(),
        )


def _usearch(vectors: Vectors) -> Iterator[tuple[str, Search]]:
    index: Any = UsearchIndex(
        ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=M, expansion_add=EF_CONSTRUCTION
    )
    index.add(np.arange(len(vectors)), vectors, threads=os.cpu_count() or 1)
    for width in WIDTHS:
        index.expansion_search = width
        yield f"usearch, halves, ef {width}", lambda query: index.search(query[0], NEAREST, threads=1).keys.tolist()


LIBRARIES: dict[str, Callable[[Vectors], Iterator[tuple[str, Search]]]] = {
    "faiss Flat": _faiss_flat,
    "faiss HNSW": _faiss_hnsw,
    "hnswlib": _hnswlib,
    "usearch": _usearch,
}
