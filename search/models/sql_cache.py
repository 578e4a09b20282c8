"""SQL that is made once for all searches of one shape: those that differ in nothing but their values.

Django takes longer to make the SQL of a search than the database takes for it, and makes the same each time. So what
makes it is given blanks in the place of values: it can't write into the SQL what it is not told. A shape is what is
left when the values are taken away: which conditions there are, and of how many values.
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
"""Shapes whose SQL is kept in each process: 10 kB each."""

Sql: TypeAlias = tuple[str, Sequence[Any]]
"""SQL with `%s` in it, and the values of these."""


class Blank(Expression):
    """Stands in the place of the value of this number, wherever Django takes a value for a query."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return "%s", [self]


@dataclass(frozen=True, slots=True)
class _Made:
    """SQL, and what belongs to each `%s` in it: the number of a value, or a constant."""

    sql: str
    parameters: Sequence[Any]

    def with_values(self, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return self.sql, [values[one.number] if isinstance(one, Blank) else one for one in self.parameters]


def sql_of(make: Callable[..., Sql], form: Hashable, given: NamedTuple) -> tuple[str, list[Any]]:
    """Return the SQL that `make(form, given)` makes, and its values, without making it anew for each `given`.

    `given` holds nothing but values, None, and tuples of these, named or not. What `make` returns must depend on
    nothing else than the form, on which values there are and on how long tuples are. Raises EmptyResultSet where no
    row can be found.
    """
    values: list[Any] = []
    made = _made(make, form, _shape(given, values))
    if made is None:
        raise EmptyResultSet
    return made.with_values(values)


def _shape(given: Any, values: list[Any]) -> Any:
    """Return `given` without its values, which are added to `values`; tuples keep their types."""
    if given is None:
        return None
    if isinstance(given, tuple):
        return type(given), *(_shape(one, values) for one in given)
    values.append(given)
    return ...


def _with_blanks(shape: Any, numbers: Iterator[int]) -> Any:
    """Return what `_shape` was made from, with blanks in the place of its values."""
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
