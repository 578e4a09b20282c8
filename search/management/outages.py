"""Retries of a command during an outage: the database is down, or a disk is full."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.signals import connection_created

from search.ingestion import LOST_DATABASE
from search.models.conflicts import accepts_no_changes, is_conflict, is_read_only
from search.objects.disk_full import FULL_FOR, NoRoom, no_room

AWAY_FOR = 60.0
"""Seconds that an unreachable database is waited for."""
LOOK_EVERY = 1.0
"""Seconds between two attempts to reconnect."""
FULL_LOOK_EVERY = 15.0
"""Seconds between two retries while a disk is full."""
TRIES = 5
"""Retries without AWAY_FOR seconds of success in between: what fails each time is no outage."""

GO_ON = "Finished work is kept; run the same command again to resume."

_FAILURES = (CommandError, NoRoom, OSError, psycopg.OperationalError, *LOST_DATABASE)
_DATABASE = (psycopg.OperationalError, *LOST_DATABASE)

Result = TypeVar("Result")


class _Outage:
    """How long an ongoing outage has lasted."""

    def __init__(self) -> None:
        self._since = self._last = float("-inf")
        self._tries = 0

    def may_retry(self, longest: float) -> bool:
        """Count a failure; return whether to retry."""
        now = time.monotonic()
        if now > self._last + AWAY_FOR:
            self._since, self._tries = now, 0
        self._last = now
        self._tries += 1
        return now < self._since + longest

    @property
    def is_hopeless(self) -> bool:
        return self._tries > TRIES


def retry_outages(work: Callable[[], Result], report: Callable[[str], Any]) -> Result:
    """Return what `work` returns, retrying it during outages. Raises CommandError for an outage that lasts too long,
    or has lasted from the start."""
    away, full = _Outage(), _Outage()
    with _watching_answers() as was_there:
        while True:
            try:
                return work()
            except _FAILURES as error:
                cause = error.__cause__ if isinstance(error, CommandError) else error
                if full_disk := no_room(cause):
                    _wait_for_room(full_disk, full, error, report)
                elif isinstance(cause, _DATABASE):
                    if not was_there or is_conflict(cause) or not away.may_retry(AWAY_FOR) or away.is_hopeless:
                        raise database_failed(cause) from error
                    _wait_for_database(cause, report)
                else:
                    raise


def database_failed(error: BaseException) -> CommandError:
    return CommandError(f"The database failed: {str(error).strip()}\n{GO_ON}")


@contextmanager
def _watching_answers() -> Iterator[list[bool]]:
    """Yield a list that stays empty until the database has answered."""
    was_there = [True] if connection.connection is not None else []

    def note(**_facts: object) -> None:
        was_there.append(True)

    connection_created.connect(note, weak=False, dispatch_uid=id(was_there))
    try:
        yield was_there
    finally:
        connection_created.disconnect(dispatch_uid=id(was_there))


def _wait_for_room(message: str, full: _Outage, error: BaseException, report: Callable[[str], Any]) -> None:
    _close_connection()
    if not full.may_retry(FULL_FOR):
        raise CommandError(f"{message} Free some space there. {GO_ON}") from error
    report(f"{message} Free some space there: retrying for {FULL_FOR / 60:.0f} minutes.")
    time.sleep(FULL_LOOK_EVERY)


def _wait_for_database(error: BaseException, report: Callable[[str], Any]) -> None:
    lost = "The database accepts no changes" if is_read_only(error) else "The connection to the database was lost"
    report(f"{lost}: {str(error).strip()}\nWaiting at most {AWAY_FOR:.0f} s.")
    ends = time.monotonic() + AWAY_FOR
    while True:
        _close_connection()
        try:
            connection.ensure_connection()
            if is_read_only(error) and accepts_no_changes():
                raise DatabaseError("It is still read-only: a standby, or default_transaction_read_only is on.")
        except (DatabaseError, InterfaceError) as still:
            if time.monotonic() > ends:
                raise database_failed(still) from still
            time.sleep(LOOK_EVERY)
        else:
            report("The database is back; resuming.")
            return


def _close_connection() -> None:
    if not connection.in_atomic_block:
        connection.close()
