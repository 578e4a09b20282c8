"""A table of vectors only, in its own PostgreSQL, and the results of an exact search in it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from benchmarks.vectors import Vectors, picture_like, word_like
from imagesearch import embedded_postgres

QUERIES = 200
NEAREST = 240
"""Known neighbours of each query: the candidates of a search."""
_ROW = np.dtype(
    [
        ("columns", ">i2"),
        ("id_size", ">i4"),
        ("id", ">i4"),
        ("size", ">i4"),
        ("dimensions", ">i2"),
        ("zero", ">i2"),
        ("vector", ">f2", 512),
    ]
)
"""A row of the table in COPY's binary format."""


@dataclass
class Neighbours:
    """The rows nearest to each query among those shown so far, by exact comparison."""

    queries: Vectors
    ids: npt.NDArray[np.int64] = field(init=False)
    similarities: Vectors = field(init=False)

    def __post_init__(self) -> None:
        self.ids = np.zeros((len(self.queries), 0), dtype=np.int64)
        self.similarities = np.zeros((len(self.queries), 0), dtype=np.float32)

    def show(self, vectors: Vectors, first: int) -> None:
        """Take into account the rows `first`, `first + 1`, ... with these `vectors`."""
        ids = np.broadcast_to(np.arange(first, first + len(vectors)), (len(self.queries), len(vectors)))
        similarities = np.hstack([self.similarities, self.queries @ vectors.T])
        ids = np.hstack([self.ids, ids])
        nearest = np.argpartition(-similarities, min(NEAREST, similarities.shape[1] - 1), axis=1)[:, :NEAREST]
        similarities, ids = np.take_along_axis(similarities, nearest, axis=1), np.take_along_axis(ids, nearest, axis=1)
        order = np.argsort(-similarities, axis=1)
        self.similarities = np.take_along_axis(similarities, order, axis=1)
        self.ids = np.take_along_axis(ids, order, axis=1)

    def recall(self, found: list[list[int]], among: int) -> float:
        """The mean share of each query's nearest `among` that is in `found`."""
        pairs = zip(found, self.ids[:, :among].tolist(), strict=True)
        return float(np.mean([len(set(one) & set(right)) / among for one, right in pairs]))


@dataclass
class VectorTable:
    """The table `v (id, embedding)`, and the text queries for it."""

    connection: psycopg.Connection
    neighbours: Neighbours
    rows: int = 0

    def grow(self, vectors: Vectors) -> None:
        """Add unit vectors, shape (n, 512)."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy("COPY v (id, embedding) FROM STDIN (FORMAT binary)") as copy,
        ):
            copy.write(as_copied(vectors, self.rows))
        self.neighbours.show(stored(vectors), self.rows)
        self.rows += len(vectors)

    def parameters(self) -> list[HalfVector]:
        return [HalfVector(query) for query in self.neighbours.queries]


def as_copied(vectors: Vectors, first: int) -> bytes:
    """Return the rows `first`, `first + 1`, ... with these vectors in COPY's binary format."""
    records = np.zeros(len(vectors), dtype=_ROW)
    records["columns"], records["id_size"], records["size"], records["dimensions"] = 2, 4, 4 + 2 * 512, 512
    records["id"] = np.arange(first, first + len(vectors))
    records["vector"] = vectors
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + records.tobytes() + b"\xff\xff"


def stored(vectors: Vectors) -> Vectors:
    """`vectors` as stored: rounded to half precision, and of unit length again."""
    rounded = vectors.astype(np.float16).astype(np.float32)
    rounded /= np.linalg.norm(rounded, axis=1, keepdims=True)
    return rounded


@contextmanager
def vector_table(cache: Path) -> Iterator[VectorTable]:
    """An empty table in a separate embedded PostgreSQL, with the product's settings."""
    folder = Path(tempfile.mkdtemp(prefix="vectors-", dir=cache))
    server = embedded_postgres.connection_settings(folder / "postgres")
    address = {"dbname": server["NAME"], "user": server["USER"], "host": server["HOST"], "port": server["PORT"]}
    try:
        with psycopg.connect(**address, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute("CREATE TABLE v (id int, embedding halfvec(512))")
            register_vector(connection)
            yield VectorTable(connection, Neighbours(np.vstack(list(word_like(QUERIES, seed=7)))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def filled(table: VectorTable, rows: int) -> None:
    """Bring `table` to `rows` rows, always the same ones."""
    start = table.rows
    for batch in picture_like(rows - start, seed=start):
        table.grow(batch)
    table.connection.execute("VACUUM ANALYZE v")
