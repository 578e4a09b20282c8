"""What commands that work on the collection have in common."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable

from search.ingestion import LOST_DATABASE


class CollectionCommand(BaseCommand):
    """A command that reads or changes the collection. It says so where the database is not prepared for that, or
    fails on the way."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        # Django's errors have PostgreSQL's as their cause; what goes by Django, as COPY does, raises these themselves.
        except (ProgrammingError, psycopg.ProgrammingError) as error:
            if not {type(error), type(error.__cause__)} & {UndefinedTable, UndefinedColumn}:
                raise
            raise CommandError("The database lacks tables of this version: run `manage.py migrate`.") from error
        except (psycopg.OperationalError, *LOST_DATABASE) as error:
            raise CommandError(
                f"The database failed: {str(error).strip()}\n"
                "What was written stays; run the same command again to go on."
            ) from error
