"""What commands that work on the collection have in common."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable


class CollectionCommand(BaseCommand):
    """A command that reads or changes the collection. It says so where the database is not prepared for that."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (ProgrammingError, psycopg.ProgrammingError) as error:
            # Django's error has PostgreSQL's as its cause; what goes by Django, as COPY does, raises it itself.
            if not {type(error), type(error.__cause__)} & {UndefinedTable, UndefinedColumn}:
                raise
            raise CommandError("The database lacks tables of this version: run `manage.py migrate`.") from error
