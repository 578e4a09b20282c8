"""What commands that work on the collection have in common."""

import argparse
from functools import partial
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable

from search.management.outages import outlasted


def at_least_one(text: str) -> int:
    """Return the number of an argument. Raises ArgumentTypeError, and ValueError, which argparse takes as well."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1.")
    return number


class CollectionCommand(BaseCommand):
    """A command that reads or changes the collection, and may be run again to go on. It says so where the database is
    not prepared for that; where that goes away on the way, or something is full, it waits for a while and goes on."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        work = partial(super().execute, *args, **options)
        try:
            return outlasted(work, self._tell_of_outage)
        # Django's errors have PostgreSQL's as their cause; what goes by Django, as COPY does, raises these themselves.
        except (ProgrammingError, psycopg.ProgrammingError) as error:
            if not {type(error), type(error.__cause__)} & {UndefinedTable, UndefinedColumn}:
                raise
            raise CommandError("The database lacks tables of this version: run `manage.py migrate`.") from error

    def _tell_of_outage(self, told: str) -> None:
        self.stderr.write(told)  # as it is by then: `execute` may be given another one
