"""Single SQL statements, and the database's clock."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from django.db import connection
from psycopg import sql

Statement: TypeAlias = str | sql.Composable
Values: TypeAlias = Sequence[Any] | Mapping[str, Any] | None


def id_array(ids: Iterable[uuid.UUID]) -> str:
    """Return ids as the text of a PostgreSQL array; psycopg takes four times as long for a list."""
    return "{" + ",".join([each.hex for each in ids]) + "}"


def execute(statement: Statement, values: Values = None) -> int:
    """Run a statement, and return how many rows it has changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def fetch_all(statement: Statement, values: Values = None) -> list[Any]:
    """Return all rows, as tuples."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def fetch_with_names(statement: Statement, values: Values = None) -> tuple[list[str], list[Any]]:
    """Return the names of the columns, and all rows, as tuples."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [column.name for column in cursor.description], list(cursor.fetchall())


def fetch_column(statement: Statement, values: Values = None) -> list[Any]:
    """Return the values of a single column."""
    return [value for (value,) in fetch_all(statement, values)]


def fetch_one(statement: Statement, values: Values = None) -> Any:
    """Return the first row as a tuple, or None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()


def fetch_value(statement: Statement, values: Values = None) -> Any:
    """Return the value of a single column of a single row."""
    (value,) = fetch_one(statement, values)
    return value


def now() -> dt.datetime:
    """Return the time by the database's clock, which pictures' timestamps use."""
    moment: dt.datetime = fetch_value("SELECT clock_timestamp()")
    return moment
