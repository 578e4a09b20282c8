"""A cache of SQL by the shape of a query: searches that differ only in their values share it.

Django takes longer to compile the SQL of a search than the database takes to run it. So the SQL is compiled once, with
placeholders instead of values, which also keeps values out of it. The shape of a query is what remains without its
values: which conditions there are, and with how many values.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression
from django.db.models.sql.compiler import SQLCompiler

MOST = 256
"""Shapes cached per process: 10 kB each."""

Sql: TypeAlias = tuple[str, Sequence[Any]]
"""SQL with `%s` placeholders, and their values."""


class Blank(Expression):
    """A placeholder for value `number`, wherever Django takes a value for a query."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return "%s", [self]


@dataclass(frozen=True, slots=True)
class _Made:
    """SQL, and for each `%s` in it a `Blank` or a constant."""

    sql: str
    parameters: Sequence[Any]

    def with_values(self, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return self.sql, [values[one.number] if isinstance(one, Blank) else one for one in self.parameters]


def sql_of(make: Callable[..., Sql], form: Hashable, given: NamedTuple) -> tuple[str, list[Any]]:
    """Return the SQL of `make(form, given)` and its values, cached for each form and shape of `given`.

    `given` contains only values, None, and tuples of these, named or not. The result of `make` must depend only on the
    form, on which values are None, and on the lengths of tuples. Raises EmptyResultSet if no row can match.
    """
    values: list[Any] = []
    made = _made(make, form, _shape(given, values))
    if made is None:
        raise EmptyResultSet
    return made.with_values(values)


def _shape(given: tuple[Any, ...], values: list[Any]) -> Any:
    """Return the tuple `given` without its values, which are appended to `values`; tuples keep their types."""
    shape: list[Any] = [type(given)]
    for one in given:
        if one is None:
            shape.append(None)
        elif isinstance(one, tuple):
            shape.append(_shape(one, values))
        else:
            values.append(one)
            shape.append(...)
    return tuple(shape)


def _with_blanks(shape: Any, numbers: Iterator[int]) -> Any:
    """Return the inverse of `_shape`, with `Blank`s for the values."""
    if shape is None:
        return None
    if shape is ...:
        return Blank(next(numbers))
    kind, *parts = shape
    filled = [_with_blanks(part, numbers) for part in parts]
    return tuple(filled) if kind is tuple else kind(*filled)


@lru_cache(MOST)
def _made(make: Callable[..., Sql], form: Hashable, shape: Any) -> _Made | None:
    try:
        sql, parameters = make(form, _with_blanks(shape, count()))
    except EmptyResultSet:
        return None
    return _Made(sql, tuple(parameters))
