"""Two who change the same rows at once: waits that end, a second try, and a true word where neither helps.

Rows are locked in one order everywhere: images before what belongs to them, each by its primary key. Where two wait
for each other all the same, PostgreSQL ends one of them, whose work is then done again.
"""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DatabaseError, IntegrityError, OperationalError, connection
from django.db.models import Model, QuerySet

PATIENCE = "5s"
"""How long a person's change waits for a row that somebody else holds: a worker that computes its vector needs a few
seconds, and one whose machine has vanished holds it for minutes."""
TRIES = 5
_PAUSE = 0.05
"""Seconds before the second try, doubled for each further one: both victims would meet again at the same moment."""

_SERIALIZATION_FAILURE, _DEADLOCK, _LOCK_NOT_AVAILABLE = "40001", "40P01", "55P03"
_FOREIGN_KEY, _UNIQUE = "23503", "23505"

_Row = TypeVar("_Row", bound=Model)
_Result = TypeVar("_Result")


def is_conflict(error: BaseException) -> bool:
    """Whether somebody else was changing the same rows; nothing was changed by this one."""
    codes = {_SERIALIZATION_FAILURE, _DEADLOCK, _LOCK_NOT_AVAILABLE}
    return isinstance(error, OperationalError) and _code(error) in codes


def is_overtaken(error: BaseException) -> bool:
    """Whether a row that this change builds on was deleted meanwhile, or one that it adds was added."""
    if isinstance(error, IntegrityError):
        return _code(error) in {_FOREIGN_KEY, _UNIQUE}
    return type(error) is DatabaseError and error.__cause__ is None  # Django's own, of an UPDATE that met no row


def retried(work: Callable[[], _Result]) -> _Result:
    """Return what `work`, a whole transaction, returns; do it again where another one came between.

    What a lock kept out is not tried again: it has waited. Raises what the last try raised.
    """
    if connection.in_atomic_block:  # which has failed with it
        return work()
    for attempt in range(TRIES - 1):
        try:
            return work()
        except (OperationalError, IntegrityError) as error:
            is_victim = is_conflict(error) and _code(error) != _LOCK_NOT_AVAILABLE
            if not is_victim and not is_overtaken(error):
                raise
        time.sleep(random.uniform(1, 2) * _PAUSE * 2**attempt)  # noqa: S311 - no secret
    return work()


def wait_briefly() -> None:
    """Have this transaction wait for each lock for PATIENCE at most."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])


def locked(rows: "QuerySet[_Row]") -> "list[_Row]":
    """Lock `rows` in the order of their keys until the transaction ends, and return those that are still there."""
    return list(_locking(rows))


def locked_values(rows: "QuerySet[_Row]", *fields: str) -> list[Any]:
    """Lock `rows` as `locked` does, and return these fields of those that are still there: of any number of rows."""
    return list(_locking(rows.select_related(None)).values_list(*fields))


def _locking(rows: "QuerySet[_Row]") -> "QuerySet[_Row]":
    wait_briefly()
    return rows.order_by("pk").select_for_update(of=("self",))


def _code(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
