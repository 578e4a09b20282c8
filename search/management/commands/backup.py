"""`manage.py backup`: copy the whole collection elsewhere, incrementally."""

import argparse
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from search.backup import BackupError, back_up, open_target
from search.management.base import CollectionCommand, at_least_one
from search.management.progress import LINE_EVERY
from search.objects import storage
from search.objects.storage import StorageUnavailable

NOT_IN_IT = "Settings are not in it: keep a copy of .env, and above all of SECRET_KEY, elsewhere."


class Command(CollectionCommand):
    accepts_other_versions = True  # as before a `migrate`
    help = (
        "Copy the database, the originals and the thumbnails to a folder or to s3://bucket/prefix, with access "
        "as for `ingest`. The site can keep running. If run again for the same target, it copies what is new; "
        "interrupted, it resumes. Exit status 1 if anything could not be copied."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("target", metavar="TARGET", help="a folder, or s3://bucket/prefix; not that of the site")
        parser.add_argument(
            "--without-thumbnails",
            action="store_true",
            help="leave out thumbnails; after restoring, `reconcile --repair` makes them again",
        )
        parser.add_argument(
            "--keep",
            type=at_least_one,
            metavar="N",
            help="keep the last N backups there, and remove earlier ones, with the objects that only those have",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._refuse_own_folder(options["target"])
        printed = time.monotonic()

        def progress(pictures: int, copied: int, size: int) -> None:
            nonlocal printed
            if time.monotonic() - printed >= LINE_EVERY:
                printed = time.monotonic()
                self.stdout.write(f"{pictures:,} pictures, {copied:,} objects copied, {size / 1e6:,.0f} MB")

        try:
            manifest = back_up(
                open_target(options["target"]),
                thumbnails=not options["without_thumbnails"],
                keep=options["keep"],
                announce=self.stdout.write,
                progress=progress,
            )
        except (BackupError, StorageUnavailable) as error:
            raise CommandError(f"{error}\nRun the same command again to resume.") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Run the same command again to resume.") from None
        self.stdout.write(
            f"Backup {manifest.made}: {sum(manifest.rows.values()):,} rows and {manifest.objects:,} objects of "
            f"{manifest.object_bytes / 1e6:,.0f} MB, in {options['target']}. {NOT_IN_IT}"
        )
        if manifest.in_place:
            self.stdout.write(f"{manifest.in_place:,} originals stay in other buckets, and are not in it.")
        for key in manifest.missing:
            self.stderr.write(f"{key}: missing or damaged here, and in no earlier backup there.")
        if manifest.missing:
            self.stderr.write("`manage.py reconcile` says more about these.")
            raise SystemExit(1)

    def _refuse_own_folder(self, target: str) -> None:
        """Raise CommandError for a target within our own media folder: the backup would be taken for objects."""
        media = Path(settings.MEDIA_ROOT).resolve()
        if storage.are_files() and "://" not in target and Path(target).expanduser().resolve().is_relative_to(media):
            raise CommandError(f"{target} is where the pictures of the site are: choose another folder.")
