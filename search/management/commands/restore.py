"""`manage.py restore`: restore database and objects from a backup."""

import argparse
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.backup import BackupError, Outcome, check, open_target, restore
from search.management.progress import LINE_EVERY
from search.objects.full import NoRoom
from search.objects.storage import StorageUnavailable


class Command(BaseCommand):
    help = (
        "Restore database and objects from a backup, to files or a bucket, whichever it was made from. Everything is "
        "verified; damaged parts are listed and left out. Stop the site first. Stopped or failed, it leaves the "
        "database unchanged, and the same command resumes. Exit status 1 if anything was damaged or missing."
    )
    # The database may have no tables yet.
    requires_system_checks: list[str] = []  # noqa: RUF012 - as in Django

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "source", metavar="SOURCE", help="the folder, or s3://bucket/prefix, of `manage.py backup`"
        )
        parser.add_argument("--at", metavar="WHEN", default="", help="which backup there; else the latest")
        parser.add_argument("--replace", action="store_true", help="replace a database that isn't empty")
        parser.add_argument("--check", action="store_true", help="read and verify the backup, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            source = open_target(options["source"])
            how: dict[str, Any] = {"announce": self.stdout.write, "progress": self._lines()}
            if options["check"]:
                outcome = check(source, options["at"], **how)
            else:
                outcome = restore(source, options["at"], replace=options["replace"], **how)
        except (BackupError, StorageUnavailable, NoRoom) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Run the same command again to resume.") from None
        self._summarise(outcome, is_check=options["check"])
        if not outcome.is_all_well:
            raise SystemExit(1)

    def _lines(self) -> Callable[[int, int], None]:
        printed = time.monotonic()

        def progress(looked_at: int, copied: int) -> None:
            nonlocal printed
            if time.monotonic() - printed >= LINE_EVERY:
                printed = time.monotonic()
                self.stdout.write(f"{looked_at:,} objects checked, {copied:,} of them read")

        return progress

    def _summarise(self, outcome: Outcome, *, is_check: bool) -> None:
        for line in [*outcome.damaged, *outcome.different]:
            self.stderr.write(line)
        for key in outcome.manifest.missing:
            self.stderr.write(f"{key}: was missing when the backup was made.")
        rows, objects = sum(outcome.manifest.rows.values()), outcome.manifest.objects
        if is_check:
            self.stdout.write(
                f"Backup {outcome.manifest.made}: {rows:,} rows; {outcome.copied:,} of {objects:,} objects are intact."
            )
        else:
            self.stdout.write(
                f"Restored {outcome.manifest.made}: {rows:,} rows; {objects:,} objects, {outcome.copied:,} of them "
                "copied. Start the site with the same SECRET_KEY and models as before."
            )
        if outcome.damaged and not is_check:
            self.stderr.write(
                "`reconcile --repair` makes missing thumbnails; originals are restored when `ingest` reads their "
                "files."
            )
