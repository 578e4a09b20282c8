"""`manage.py reembed`: after a change of model, give every picture a vector of the new one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable
from search.ingestion import reembed, stale_images
from search.management.calibrating import calibrate_after
from search.management.progress import progress_of
from search.storage import StorageUnavailable


class Command(BaseCommand):
    help = "Embed the pictures anew that another model than the active one has embedded. May be stopped and run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with progress_of(stale_images(), self.stdout) as progress:
                report = reembed(progress)
        except (ModelUnavailable, StorageUnavailable) as error:
            raise CommandError(str(error)) from error
        for name, reason in report.failed:
            self.stderr.write(f"{name}: {reason}")
        self.stdout.write(f"{report.added:,} embedded anew, {len(report.failed):,} failed.")
        calibrate_after(self.stdout, self.stderr)
        if report.failed:
            raise SystemExit(1)
