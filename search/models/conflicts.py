"""Concurrent changes of the same rows: lock timeouts, retries, and errors that say what happened.

Rows are locked in one order everywhere: images before what belongs to them, each by primary key. If there is a
deadlock nevertheless, PostgreSQL aborts one transaction, which is then retried.
"""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DatabaseError, IntegrityError, InternalError, OperationalError, connection
from django.db.models import Model, QuerySet

from search.models.sql_statements import execute, fetch_value

PATIENCE = "5s"
"""Lock timeout of a person's change: a worker that computes the row's vector holds it for a few seconds, and one whose
machine has vanished for minutes."""
TRIES = 5
_PAUSE = 0.05
"""Seconds before the first retry, doubled for each further one, and randomised: both transactions would collide
again."""

_SERIALIZATION_FAILURE, _DEADLOCK, _LOCK_NOT_AVAILABLE = "40001", "40P01", "55P03"
_READ_ONLY = "25006"
_FOREIGN_KEY, _UNIQUE = "23503", "23505"

_Row = TypeVar("_Row", bound=Model)
_Result = TypeVar("_Result")


class Conflict(OperationalError):
    """Another transaction was changing the same rows; this one changed nothing."""


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was changing the same rows; this one changed nothing."""
    codes = {_SERIALIZATION_FAILURE, _DEADLOCK, _LOCK_NOT_AVAILABLE}
    return isinstance(error, OperationalError) and _code(error) in codes


def is_read_only(error: BaseException) -> bool:
    """Whether the database accepts no changes: it is a standby, as during a failover, or is set so when a disk is
    full."""
    return isinstance(error, InternalError) and _code(error) == _READ_ONLY


def accepts_no_changes() -> bool:
    """Whether a new transaction of this connection could only read."""
    return bool(fetch_value("SELECT current_setting('transaction_read_only')") == "on")


def is_overtaken(error: BaseException) -> bool:
    """Whether a row that this change depends on was deleted meanwhile, or one that it inserts was inserted."""
    if isinstance(error, IntegrityError):
        return _code(error) in {_FOREIGN_KEY, _UNIQUE}
    return type(error) is DatabaseError and error.__cause__ is None  # Django's own, for an UPDATE that matched no row


def retried(work: Callable[[], _Result]) -> _Result:
    """Return the result of `work`, a whole transaction; retry it after a conflict with another one.

    A lock timeout is not retried: it has waited already. Raises the error of the last attempt, as Conflict if it is
    one.
    """
    try:
        return _retried(work)
    except OperationalError as error:
        if is_conflict(error):
            raise Conflict(*error.args) from error.__cause__
        raise


def _retried(work: Callable[[], _Result]) -> _Result:
    if connection.in_atomic_block:  # the outer transaction has failed with it
        return work()
    for attempt in range(TRIES - 1):
        try:
            return work()
        except (OperationalError, IntegrityError) as error:
            is_victim = is_conflict(error) and _code(error) != _LOCK_NOT_AVAILABLE
            if not is_victim and not is_overtaken(error):
                raise
        time.sleep(random.uniform(1, 2) * _PAUSE * 2**attempt)  # noqa: S311 - not a secret
    return work()


def wait_briefly() -> None:
    """Set the lock timeout of this transaction to PATIENCE."""
    execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])


def locked(rows: "QuerySet[_Row]") -> "list[_Row]":
    """Lock `rows` in key order until the transaction ends, and return those that still exist."""
    return list(_locking(rows))


def locked_values(rows: "QuerySet[_Row]", *fields: str) -> list[Any]:
    """Lock `rows` as `locked` does, and return these fields of those that still exist; for any number of rows."""
    return list(_locking(rows.select_related(None)).values_list(*fields))


def _locking(rows: "QuerySet[_Row]") -> "QuerySet[_Row]":
    wait_briefly()
    return rows.order_by("pk").select_for_update(of=("self",))


def _code(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
