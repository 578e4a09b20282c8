"""The base of commands that work on the collection."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable

from search.management.outages import retry_outages
from search.monitoring.upgrades import NotMigrated, require_migrated


def at_least_one(text: str) -> int:
    """Parse an argument that is an integer of at least 1. Raises ArgumentTypeError and ValueError, both for
    argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1.")
    return number


@contextmanager
def command_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of these kinds into CommandError, with the same message."""
    try:
        yield
    except kinds as error:
        raise CommandError(str(error)) from error


class CollectionCommand(BaseCommand):
    """A command that works on the collection, and resumes when it is run again. It says so where migrations are
    missing; when the database goes down or a disk is full meanwhile, it waits for a while and retries."""

    accepts_other_versions: ClassVar[bool] = False
    """Whether it may run on a database of another version."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        run = partial(super().execute, *args, **options)

        def work() -> str | None:
            if not self.accepts_other_versions:
                with command_errors(NotMigrated):
                    require_migrated()
            return run()

        try:
            return retry_outages(work, self._report_outage)
        # Django's errors have psycopg's as their cause; COPY bypasses Django and raises psycopg's directly.
        except (ProgrammingError, psycopg.ProgrammingError) as error:
            if not {type(error), type(error.__cause__)} & {UndefinedTable, UndefinedColumn}:
                raise
            raise CommandError("The database lacks tables of this version: run `manage.py migrate`.") from error

    def _report_outage(self, message: str) -> None:
        self.stderr.write(message)  # looked up late: `execute` may replace stderr
