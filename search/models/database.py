"""What processes ask of the database about each other: its clock, and whether one of them is alone at something."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


def now() -> dt.datetime:
    """Return the time by the clock of the database, as pictures have it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
    return moment


def is_alone(lock: int) -> bool:
    """Whether no other transaction holds `lock`; if so, this one does until it ends, also by a killed process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        return bool(cursor.fetchone()[0])


@contextmanager
def alone(lock: int) -> Iterator[bool]:
    """Tell, within a transaction, whether no other one holds `lock`."""
    with transaction.atomic():
        yield is_alone(lock)
