"""`manage.py empty_trash`: delete permanently what is in the trash."""

import argparse
from typing import Any

from django.core.management.base import CommandError

from search.curation.album_deletion import delete_old_albums
from search.ingestion.run_recording import forget_some_runs
from search.management.base import CollectionCommand
from search.management.commands.forget_deletions import days
from search.models import Trashed
from search.objects.deletion import delete_pending_or_log
from search.state import trash_and_history_retention


class Command(CollectionCommand):
    help = (
        "Delete permanently, rows and files, what has been in the trash for TRASH_DAYS, and remove history older than "
        "HISTORY_DAYS and runs older than RUNS_DAYS. The server does the same each hour: this is for installations "
        "without one, and for the options below."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--older-than", type=days, metavar="DAYS", help="what was deleted at least DAYS ago")
        parser.add_argument("--all", action="store_true", help="everything in the trash")

    def handle(self, *args: Any, **options: Any) -> None:
        age = options["older_than"]
        if age is not None and options["all"]:
            raise CommandError("Use either --older-than DAYS or --all.")
        chosen = (
            Trashed.objects.all()
            if options["all"]
            else trash_and_history_retention.expired()
            if age is None
            else trash_and_history_retention.older_than(age)
        )
        deleted = trash_and_history_retention.delete_for_good(chosen)
        trash_and_history_retention.forget_history()
        while forget_some_runs() or delete_old_albums():
            pass
        delete_pending_or_log()
        self.stdout.write(f"{deleted:,} deleted permanently, {Trashed.objects.count():,} left in the trash.")
