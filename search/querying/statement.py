"""The SQL that brings candidates: read without the ORM, which takes as long for hundreds of rows as the walk."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Expression, Subquery
from django.db.models.expressions import RawSQL
from pgvector.django import CosineDistance, HalfVectorField

from search.indexing.hnsw import indexing
from search.querying.aiming import Aim, Direction
from search.querying.planning import Plan
from search.querying.ranking import Candidate
from search.querying.windows import distance_from_elsewhere, distance_to
from search.querysets import ImageQuerySet
from search.vectors import as_text

_SQL = """
SELECT search_image.id, extract(epoch FROM search_image.created)::float8, {columns}
FROM {rows} CROSS JOIN (SELECT {vectors}) AS asked
WHERE {conditions} ORDER BY {order} LIMIT {most}
"""
"""A moment is read as a number: hundreds of them with their time zones take longer to read than the rows to be found.
Each vector stands here once, and the planner takes it from there."""
_BY_DISTANCE, _BY_WORDS = ["3"], ["4 DESC", "5 DESC", "6 DESC"]
"""Orders by places among the columns: distance; exactness, whether whole, rank."""

Sql = tuple[str, Sequence[Any]]


class Statement:
    """Reads the rows of `images` nearest to what `aim` wants, or by date where it wants nothing: at most `most`.

    Rows that are found by their words come in the order of what is `judged`: how exactly, whether as whole words, and
    with which rank they hold these.
    """

    def __init__(self, aim: Aim, images: ImageQuerySet, plan: Plan, most: int, by_date: str) -> None:
        self._aim = aim
        self._plan = plan
        self._most = most
        self._by_date = by_date
        # A walk comes to a picture by any of its vectors: what is found is not always the one of the whole.
        self._is_walk = not plan.is_exact and aim.towards is not None
        self._by_window = self._is_walk and aim.finds_windows
        walked = images.joined_to(aim.table, windows=self._by_window) if self._is_walk else None
        self._images = aim.measured(images) if walked is None else walked
        self._compiler = self._images.query.get_compiler(connection=connection)

    def sql(self, judged: Sequence[Expression] = ()) -> tuple[str, list[Any]]:
        """Return the SQL and its values. Raises EmptyResultSet where no row can be found."""
        texts = [self._compiled(part) for part in judged] or [("0", ()), ("false", ()), ("NULL", ())]
        towards, *away = self._distances()
        columns = [towards, *texts, *away]
        order = self._order()
        conditions, of_conditions = self._compiler.compile(self._images.query.where)
        rows, of_rows = self._compiler.get_from_clause()
        asked = self._asked()
        sql = _SQL.format(
            columns=", ".join(part for part, _values in columns),
            rows=" ".join(rows),
            vectors=", ".join(f"%s::halfvec AS {name}" for name in asked),
            conditions=conditions or "true",
            order=", ".join([*_BY_WORDS, *order] if judged else order),
            most=self._most,
        )
        of_columns = [value for _part, values in columns for value in values]
        vectors = [as_text(direction.vector) for direction in asked.values()]
        return sql, [*of_columns, *of_rows, *vectors, *of_conditions]

    def _asked(self) -> dict[str, Direction]:
        """What distances are to, by the names of the vectors in SQL: what is wanted first, if anything is."""
        towards = {"towards": self._aim.towards} if self._aim.towards else {}
        return towards | {f"away_{number}": one for number, one in enumerate(self._aim.away)}

    def _distances(self) -> list[Sql]:
        found = [self._compiled(self._distance(name, direction)) for name, direction in self._asked().items()]
        return found if self._aim.towards else [("NULL", ()), *found]

    def _distance(self, name: str, direction: Direction) -> Expression | Subquery:
        windows_in = direction.windows_in
        if not self._by_window or self._aim.table is None:
            return distance_to(_named(name), windows_in)
        if direction is self._aim.towards:
            return CosineDistance("vector", _named(name))
        return distance_from_elsewhere(_named(name), self._aim.table.id, windows=windows_in is not None)

    def _order(self) -> list[str]:
        if self._is_walk and self._aim.table:
            by_index = indexing.distance("vector", self._aim.table.dimensions, _named("towards"))
            return [self._compiled(by_index)[0]]
        # Rows of one load have the same moment, and copies the same distance.
        return [*(_BY_DISTANCE if self._aim.towards else [self._by_date]), "search_image.id"]

    def _compiled(self, expression: Expression | Subquery) -> Sql:
        sql, values = self._compiler.compile(expression.resolve_expression(self._images.query))
        return sql, values


def candidates_of(rows: Sequence[tuple[Any, ...]]) -> list[Candidate]:
    """Return what the rows of a statement are."""
    return [
        Candidate(
            id=image_id,
            added=added,
            similarity=None if distance is None else 1 - distance,
            exactness=exactness,
            whole=whole,
            text_rank=text_rank,
            unwanted=tuple(1 - one for one in away),
        )
        for image_id, added, distance, exactness, whole, text_rank, *away in rows
    ]


def _named(vector: str) -> RawSQL:
    return RawSQL(vector, [], HalfVectorField())  # noqa: S611 - a name of `_asked`
