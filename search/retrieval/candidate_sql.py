"""SQL for candidates, read without the ORM, which for hundreds of rows takes as long as the HNSW search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Expression, Subquery
from django.db.models.expressions import RawSQL
from pgvector.django import CosineDistance, HalfVectorField

from search.indexing.query_plan import Plan
from search.models.hnsw import indexing
from search.models.querysets import ImageQuerySet, is_joined
from search.models.sql_cache import Sql, sql_of
from search.models.vector_sets import VectorTable
from search.query import full_text
from search.query.query import Sort
from search.query.search_conditions import Conditions
from search.retrieval.best_windows import distance_from_elsewhere, distance_to
from search.retrieval.query_vector import QueryVector
from search.retrieval.ranking_and_bands import Candidate

_SQL = """
SELECT search_image.id, {date}, {columns}
FROM {rows} CROSS JOIN (SELECT {vectors}) AS asked
WHERE {conditions} {end}
"""
"""Dates are read as numbers: parsing hundreds of timestamps takes longer than the search. Each vector is a parameter
once; the planner substitutes it."""
_COUNTED = """
SELECT *, count(*) OVER (), count(*) FILTER (WHERE whole) OVER ()
FROM ({found}) AS found (id, date, distance, exactness, whole) ORDER BY {order} LIMIT %s
"""
TOWARDS = "towards"
_DATES = {
    False: "extract(epoch FROM search_image.created)::float8",
    True: "coalesce((SELECT extract(epoch FROM taken)::float8 FROM search_capture WHERE image_id = search_image.id),"
    " '{last}'::float8)",
}
"""When a picture was added, or taken; pictures without a date come last in either order. A subquery per returned row:
a join would keep the planner from using the index."""
_BY_DISTANCE, _BY_WORDS = ["3"], ["4 DESC", "5 DESC", "6 DESC"]
"""Orders by column number: distance; or exactness, whole words, rank."""


@dataclass(frozen=True, slots=True)
class Form:
    """The shape of a statement, without its values. `table` is the vector set that distances refer to.

    `asked` are the names of the query vectors, with `towards` among them for a positive one; each with the set whose
    windows count too, None for whole pictures only. `is_index_scan`: an HNSW index scan, in the order of distance.
    `by_words`: rows found by full text, ordered by exactness, whole words and rank. `by_taken`: dates are of taking,
    not of adding. `is_counted`: two more columns have the number of all rows, and of those that hold whole words.
    """

    table: VectorTable | None
    asked: tuple[tuple[str, int | None], ...]
    is_joined: bool
    is_index_scan: bool
    by_words: bool
    by_taken: bool
    oldest_first: bool
    is_counted: bool

    @property
    def by_window(self) -> bool:
        """Whether the index scan may find a picture by any of its vectors."""
        return self.is_index_scan and dict(self.asked).get(TOWARDS) is not None


class Given(NamedTuple):
    """The values of a statement: the vectors as text, the words as parsed and as written, and the maximum number of
    rows."""

    conditions: Conditions
    vectors: tuple[Any, ...]
    meant: Any
    written: Any
    most: Any


def statement(
    query_vector: QueryVector,
    plan: Plan,
    conditions: Conditions,
    most: int,
    *,
    texts: tuple[str, str] | None = None,
    sort: Sort,
    is_counted: bool = False,
) -> tuple[str, list[Any]]:
    """Return the SQL and values for the rows nearest to `query_vector`, or by date if it has no positive vector: at
    most `most`.

    With `texts`, the words as parsed and as written, for rows that contain them, best first. Raises EmptyResultSet if
    no row can match.
    """
    directions = {TOWARDS: query_vector.towards} if query_vector.towards else {}
    directions |= {f"away_{number}": one for number, one in enumerate(query_vector.away)}
    form = Form(
        # The number of vectors changes; without it the SQL can be cached.
        table=query_vector.table and replace(query_vector.table, vectors=0, windows=0),
        asked=tuple((name, one.windows_in) for name, one in directions.items()),
        is_joined=query_vector.table is not None and is_joined(query_vector.table),
        is_index_scan=not plan.is_exact and query_vector.towards is not None,
        by_words=texts is not None,
        by_taken=sort.is_by_taken,
        oldest_first=sort.is_oldest_first,
        is_counted=is_counted,
    )
    vectors = tuple(one.as_text for one in directions.values())
    meant, written = texts or (None, None)
    return sql_of(_made, form, Given(conditions, vectors, meant, written, most))


def _made(form: Form, given: Given) -> Sql:
    return _Statement(form, given).sql()


class _Statement:
    def __init__(self, form: Form, given: Given) -> None:
        self._form, self._given, self._table = form, given, form.table
        images = given.conditions.images()
        if form.by_words and given.conditions.alone is None:
            images = full_text.holding(images, full_text.beginnings(given.meant))
        self._images = self._measured(images)
        self._compiler = self._images.query.get_compiler(connection=connection)

    def _measured(self, images: ImageQuerySet) -> ImageQuerySet:
        form = self._form
        if not form.asked:
            return images
        if form.is_index_scan or form.is_joined or form.table is None:
            return images.joined_to(form.table, windows=form.by_window)
        return images.with_own_vectors(form.table.model)

    def sql(self) -> Sql:
        towards, *away = self._distances()
        columns = [towards, *self._judged(), *away]
        order = ", ".join([*_BY_WORDS, *self._order()] if self._form.by_words else self._order())
        conditions, of_conditions = self._compiler.compile(self._images.query.where)
        rows, of_rows = self._compiler.get_from_clause()
        date = _DATES[self._form.by_taken].format(last="infinity" if self._form.oldest_first else "-infinity")
        sql = _SQL.format(
            date=date,
            columns=", ".join(part for part, _values in columns),
            rows=" ".join(rows),
            vectors=", ".join(f"%s::halfvec AS {name}" for name, _windows_in in self._form.asked),
            conditions=conditions or "true",
            # Without OFFSET 0, all vectors would be carried along until they are counted.
            end="OFFSET 0" if self._form.is_counted else f"ORDER BY {order} LIMIT %s",
        )
        if self._form.is_counted:
            sql = _COUNTED.format(found=sql, order=order)
        of_columns = [value for _part, values in columns for value in values]
        return sql, [*of_columns, *of_rows, *self._given.vectors, *of_conditions, self._given.most]

    def _judged(self) -> list[Sql]:
        meant, written = self._given.meant, self._given.written
        if not self._form.by_words:
            return [("0", ()), ("false", ()), ("NULL", ())]
        judged = [
            full_text.exactness(meant, written),
            full_text.holds(full_text.whole_words(meant)),
            full_text.rank(full_text.beginnings(meant)),
        ]
        return [self._compiled(one) for one in judged]

    def _distances(self) -> list[Sql]:
        found = [self._compiled(self._distance(name, windows_in)) for name, windows_in in self._form.asked]
        return found if self._is_towards else [("NULL", ()), *found]

    @property
    def _is_towards(self) -> bool:
        return any(name == TOWARDS for name, _windows_in in self._form.asked)

    def _distance(self, name: str, windows_in: int | None) -> Expression | Subquery:
        if not self._form.by_window or self._table is None:
            return distance_to(_named(name), windows_in)
        if name == TOWARDS:
            return CosineDistance("vector", _named(name))
        return distance_from_elsewhere(_named(name), self._table.id, windows=windows_in is not None)

    def _order(self) -> list[str]:
        if self._form.is_index_scan and self._table:
            by_index = indexing.distance("vector", self._table.dimensions, _named(TOWARDS))
            return [self._compiled(by_index)[0]]
        # Ties are broken by id: one load has one timestamp, and copies have one distance. `created` has an index.
        by_number = self._form.by_taken or self._form.is_counted
        by_date = f"{2 if by_number else 'search_image.created'}{'' if self._form.oldest_first else ' DESC'}"
        return [*(_BY_DISTANCE if self._is_towards else [by_date]), "1"]

    def _compiled(self, expression: Expression | Subquery) -> Sql:
        sql, values = self._compiler.compile(expression.resolve_expression(self._images.query))
        return sql, values


def candidates_of(rows: Sequence[tuple[Any, ...]]) -> list[Candidate]:
    """Return the candidates from the rows of a statement."""
    return [
        Candidate(
            image_id,
            date,
            None if distance is None else 1 - distance,
            text_rank,
            whole,
            exactness,
            tuple([1 - one for one in away]) if away else (),
        )
        for image_id, date, distance, exactness, whole, text_rank, *away in rows
    ]


def _named(vector: str) -> RawSQL:
    return RawSQL(vector, [], HalfVectorField())  # noqa: S611 - a name of `_asked`
