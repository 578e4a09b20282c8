"""Advisory locks: the coordination of processes through the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from search.models.sql_statements import fetch_value


def try_lock(lock: int) -> bool:
    """Try to take the advisory lock `lock` until the transaction ends, even by a killed process. Never waits."""
    return bool(fetch_value("SELECT pg_try_advisory_xact_lock(%s)", [lock]))


@contextmanager
def trying_lock(lock: int) -> Iterator[bool]:
    """Yield whether this transaction got the advisory lock `lock`. Never waits."""
    with transaction.atomic():
        yield try_lock(lock)
