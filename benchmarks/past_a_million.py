"""Search among millions of vectors: one index, and a table partitioned by a hash of the id, each part with its index.

Data and measurements stay in a folder of the cache: an interrupted or killed run resumes. Parts are filled and indexed
one after the other, with the progress in the database itself.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from benchmarks.report import table
from benchmarks.resumable_measurements import Kept
from benchmarks.vector_table import NEAREST, QUERIES, Neighbours, as_copied, stored
from benchmarks.vectors import picture_like, word_like
from imagesearch import embedded_postgres

PER_PAGE = 24
BATCH = 100_000
"""Rows in one transaction."""
WARM_UP = 40
"""Queries before those that are measured."""
PARTS_WIDTHS = (40, 100, 200, 400, 700, 1000)
"""`hnsw.ef_search` in each part."""
HEADER = ["rows", "parts", "rows a part", "ef_search", "recall@24", "@240", "ms", "95th", "ms of processor"]
BUILD_HEADER = ["rows", "parts", "build, s", "index, MB", "table, MB", "most memory of a build, MB"]


@dataclass(frozen=True)
class Shape:
    """A table of `rows` vectors in `parts` parts."""

    rows: int
    parts: int

    @property
    def name(self) -> str:
        return f"v{self.rows // 1000}k_{self.parts}"

    @property
    def leaves(self) -> list[str]:
        return [f"{self.name}_p{number}" for number in range(self.parts)]


SHAPES = [Shape(500_000, 1), Shape(1_000_000, 1), Shape(1_000_000, 4), Shape(5_000_000, 8)]
QUICK_SHAPES = [Shape(4_000, 1), Shape(4_000, 2)]


@dataclass(frozen=True)
class Found:
    """Results of searches: recall of the page and of all candidates, milliseconds of wall-clock and processor time."""

    rows: int
    parts: int
    ef_search: int
    recall: float
    recall_of_candidates: float
    milliseconds: float
    slowest: float
    processor: float

    def row(self) -> list[str]:
        sizes = [f"{self.rows:,}", f"{self.parts}", f"{self.rows // self.parts:,}", f"{self.ef_search}"]
        times = [f"{self.milliseconds:.1f}", f"{self.slowest:.1f}", f"{self.processor:.1f}"]
        return [*sizes, f"{self.recall:.3f}", f"{self.recall_of_candidates:.3f}", *times]


def _figures(search: Callable[[], Found]) -> dict[str, float]:
    return asdict(search())


@dataclass(frozen=True)
class Built:
    """Build time of a table's indexes, summed over its parts, and sizes."""

    rows: int
    parts: int
    seconds: float
    index_megabytes: float
    table_megabytes: float
    build_megabytes: float

    def row(self) -> list[str]:
        sizes = [f"{self.rows:,}", f"{self.parts}", f"{self.seconds:,.0f}"]
        return [*sizes, *(f"{one:,.0f}" for one in (self.index_megabytes, self.table_megabytes, self.build_megabytes))]


def past_a_million(shapes: Sequence[Shape], widths: Sequence[int], folder: Path, tell: Callable[[str], None]) -> str:
    """Fill, index and search tables of these shapes; return the tables of figures.

    What is in `folder` already is not repeated.
    """
    kept = Kept(folder / "measured.json")
    built, found = [], []
    with _server(folder) as connection:
        for shape in shapes:
            neighbours = _filled(connection, shape, folder, tell)
            built.append(_indexed(connection, shape, kept, tell))
            for width in widths:
                what = f"{shape.name}, ef_search {width}"
                search = partial(_searched, connection, shape, width, neighbours)
                found.append(Found(**kept.once(what, partial(_figures, search))))
                tell(" ".join(found[-1].row()))
    return "\n\n".join(
        [table(BUILD_HEADER, [one.row() for one in built]), table(HEADER, [one.row() for one in found])]
    )


@contextmanager
def _server(folder: Path) -> Iterator[psycopg.Connection]:
    """A separate embedded PostgreSQL with the product's settings, which outlives this process."""
    folder.mkdir(parents=True, exist_ok=True)
    server = embedded_postgres.connection_settings(folder / "postgres")
    address = {"dbname": server["NAME"], "user": server["USER"], "host": server["HOST"], "port": server["PORT"]}
    with psycopg.connect(**address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        connection.execute("CREATE TABLE IF NOT EXISTS filled (name text PRIMARY KEY, rows bigint NOT NULL)")
        yield connection


def _filled(connection: psycopg.Connection, shape: Shape, folder: Path, tell: Callable[[str], None]) -> Neighbours:
    """Bring the table of this shape to its rows, always the same ones; return the neighbours of the queries."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {shape.name} (id int, embedding halfvec(512)) PARTITION BY HASH (id)"
    )
    for number, leaf in enumerate(shape.leaves):
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {leaf} PARTITION OF {shape.name}"
            f" FOR VALUES WITH (MODULUS {shape.parts}, REMAINDER {number})"
        )
    row = connection.execute("SELECT rows FROM filled WHERE name = %s", [shape.name]).fetchone()
    there = row[0] if row else 0
    neighbours = Neighbours(np.vstack(list(word_like(QUERIES, seed=7))))
    known = folder / f"neighbours-{shape.rows}.npz"
    if known.exists():
        saved = np.load(known)
        neighbours.ids, neighbours.similarities, shown = saved["ids"], saved["similarities"], int(saved["shown"])
    else:
        shown = 0
    for start in range(min(there, shown), shape.rows, BATCH):
        vectors = np.vstack(list(picture_like(min(BATCH, shape.rows - start), seed=start)))
        if start >= shown:
            neighbours.show(stored(vectors), start)
            shown = start + len(vectors)
            np.savez(known, ids=neighbours.ids, similarities=neighbours.similarities, shown=shown)
        if start >= there:
            _add(connection, shape, vectors, start)
            there = start + len(vectors)
            tell(f"{shape.name}: {there:,} of {shape.rows:,} rows")
    return neighbours


def _add(connection: psycopg.Connection, shape: Shape, vectors: np.ndarray, start: int) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(f"COPY {shape.name} (id, embedding) FROM STDIN (FORMAT binary)") as copy:
            copy.write(as_copied(vectors, start))
        cursor.execute(
            "INSERT INTO filled VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET rows = excluded.rows",
            [shape.name, start + len(vectors)],
        )


def _indexed(connection: psycopg.Connection, shape: Shape, kept: Kept, tell: Callable[[str], None]) -> Built:
    """Build the index of each part that has none. Half-built ones are rebuilt."""
    parts = []
    for leaf in shape.leaves:
        parts.append(kept.once(f"index of {leaf}", partial(_built, connection, leaf)))
        tell(f"{leaf}: index in {parts[-1]['seconds']:.0f} s")
    connection.execute(f"ANALYZE {shape.name}")
    seconds, index, heap = (sum(one[name] for one in parts) for name in ("seconds", "index", "table"))
    return Built(shape.rows, shape.parts, seconds, index, heap, max(one["memory"] for one in parts))


def _built(connection: psycopg.Connection, leaf: str) -> dict[str, float]:
    """Build the index of one part; return seconds and megabytes."""
    connection.execute(f"DROP INDEX IF EXISTS {leaf}_hnsw")
    connection.execute(f"VACUUM ANALYZE {leaf}")
    row = connection.execute(f"SELECT count(*) * 1500 / 1024 FROM {leaf}").fetchone()
    assert row is not None
    free = psutil.virtual_memory().available // 2048
    connection.execute(f"SET maintenance_work_mem = '{max(65_536, min(int(row[0]), free))}kB'")
    start = time.perf_counter()
    connection.execute(
        f"CREATE INDEX {leaf}_hnsw ON {leaf} USING hnsw (embedding halfvec_cosine_ops)"
        " WITH (m = 16, ef_construction = 128)"
    )
    seconds = time.perf_counter() - start
    sizes = connection.execute(
        f"SELECT pg_relation_size('{leaf}_hnsw') / 2^20, pg_table_size('{leaf}') / 2^20"
    ).fetchone()
    assert sizes is not None
    return {"seconds": seconds, "index": sizes[0], "table": sizes[1], "memory": row[0] / 1024}


def _searched(connection: psycopg.Connection, shape: Shape, width: int, neighbours: Neighbours) -> Found:
    settings = {
        "enable_seqscan": "off",
        "enable_sort": "off",
        "jit": "off",
        "hnsw.ef_search": str(width),
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.scan_mem_multiplier": "8",
    }
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    sql = f"SELECT id FROM {shape.name} ORDER BY embedding <=> %b LIMIT {NEAREST}"
    backend = psutil.Process(connection.info.backend_pid)
    parameters = [HalfVector(query) for query in neighbours.queries]
    # Prewarm the pages of the index, which are read from disk first.
    for leaf in shape.leaves:
        connection.execute("SELECT sum(length(pg_read_binary_file(pg_relation_filepath(%s)))) > 0", [f"{leaf}_hnsw"])
    for query in parameters[:WARM_UP]:
        connection.execute(sql, [query], prepare=True)
    found, times = [], []
    processor = sum(backend.cpu_times()[:2])
    for query in parameters:
        start = time.perf_counter()
        rows = connection.execute(sql, [query], prepare=True).fetchall()
        times.append(time.perf_counter() - start)
        found.append([row[0] for row in rows])
    processor = sum(backend.cpu_times()[:2]) - processor
    return Found(
        rows=shape.rows,
        parts=shape.parts,
        ef_search=width,
        recall=neighbours.recall(found, PER_PAGE),
        recall_of_candidates=neighbours.recall(found, NEAREST),
        milliseconds=1000 * median(times),
        slowest=1000 * float(np.quantile(times, 0.95)),
        processor=1000 * processor / len(parameters),
    )
