"""Coordination of processes through the database: its clock, and advisory locks."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


def now() -> dt.datetime:
    """Return the time by the database's clock, which pictures' timestamps use."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
    return moment


def try_lock(lock: int) -> bool:
    """Try to take the advisory lock `lock` until the transaction ends, even by a killed process. Never waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        return bool(cursor.fetchone()[0])


@contextmanager
def trying_lock(lock: int) -> Iterator[bool]:
    """Yield whether this transaction got the advisory lock `lock`. Never waits."""
    with transaction.atomic():
        yield try_lock(lock)
