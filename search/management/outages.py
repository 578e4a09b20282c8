"""A command whose database goes away, or that has no room left, tells so, waits, and goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.signals import connection_created

from search.ingestion import LOST_DATABASE
from search.models.conflicts import is_conflict
from search.objects.full import FULL_FOR, NoRoom, no_room

AWAY_FOR = 60.0
"""Seconds for which a database that has gone away is waited for."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether it is there again."""
FULL_LOOK_EVERY = 15.0
"""Seconds between two tries while something is full."""
TRIES = 5
"""Times that the work is begun again without having gone on for AWAY_FOR: what fails each time is no outage."""

GO_ON = "What was written stays; run the same command again to go on."

_FAILURES = (CommandError, NoRoom, OSError, psycopg.OperationalError, *LOST_DATABASE)
_DATABASE = (psycopg.OperationalError, *LOST_DATABASE)

Result = TypeVar("Result")


class _Outage:
    """How long what fails now has been failing."""

    def __init__(self) -> None:
        self._since = self._last = float("-inf")
        self._tries = 0

    def goes_on(self, longest: float) -> bool:
        """Note another failure; return whether to try again."""
        now = time.monotonic()
        if now > self._last + AWAY_FOR:
            self._since, self._tries = now, 0
        self._last = now
        self._tries += 1
        return now < self._since + longest

    @property
    def is_hopeless(self) -> bool:
        return self._tries > TRIES


def outlasted(work: Callable[[], Result], tell: Callable[[str], Any]) -> Result:
    """Return what `work`, which may be done again, returns. Raises CommandError for what lasts too long, or is so
    from the start."""
    away, full = _Outage(), _Outage()
    with _noticing_answers() as was_there:
        while True:
            try:
                return work()
            except _FAILURES as error:
                cause = error.__cause__ if isinstance(error, CommandError) else error
                if told := no_room(cause):
                    _wait_for_room(told, full, error, tell)
                elif isinstance(cause, _DATABASE):
                    if not was_there or is_conflict(cause) or not away.goes_on(AWAY_FOR) or away.is_hopeless:
                        raise given_up(cause) from error
                    _wait_for_database(cause, tell)
                else:
                    raise


def given_up(error: BaseException) -> CommandError:
    return CommandError(f"The database failed: {str(error).strip()}\n{GO_ON}")


@contextmanager
def _noticing_answers() -> Iterator[list[bool]]:
    """Yield a list that is empty until the database has answered."""
    was_there = [True] if connection.connection is not None else []

    def note(**_facts: object) -> None:
        was_there.append(True)

    connection_created.connect(note, weak=False, dispatch_uid=id(was_there))
    try:
        yield was_there
    finally:
        connection_created.disconnect(dispatch_uid=id(was_there))


def _wait_for_room(told: str, full: _Outage, error: BaseException, tell: Callable[[str], Any]) -> None:
    _let_go()
    if not full.goes_on(FULL_FOR):
        raise CommandError(f"{told} Free some space there. {GO_ON}") from error
    tell(f"{told} Free some space there: this goes on by itself within {FULL_FOR / 60:.0f} minutes.")
    time.sleep(FULL_LOOK_EVERY)


def _wait_for_database(error: BaseException, tell: Callable[[str], Any]) -> None:
    tell(f"The database has gone away: {str(error).strip()}\nIt is waited for, {AWAY_FOR:.0f} s at most.")
    ends = time.monotonic() + AWAY_FOR
    while True:
        _let_go()
        try:
            connection.ensure_connection()
        except (DatabaseError, InterfaceError) as still:
            if time.monotonic() > ends:
                raise given_up(still) from still
            time.sleep(LOOK_EVERY)
        else:
            tell("It is there again; going on.")
            return


def _let_go() -> None:
    if not connection.in_atomic_block:
        connection.close()
