"""`manage.py ingest`: fill the collection from files and folders."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable
from search.ingestion import Report, files_source, ingest, read_metadata
from search.ingestion.metadata import Metadata, MetadataError, clean_tags
from search.management.calibrating import calibrate_after
from search.management.progress import progress_of
from search.storage import StorageUnavailable


class Command(BaseCommand):
    help = (
        "Add pictures to the collection. Known pictures are skipped, unreadable ones reported; stopped at any point "
        "and run again, it goes on where it was. Exit status 1 if any file failed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder (with all below it) or glob")
        parser.add_argument(
            "--metadata",
            type=Path,
            metavar="FILE",
            help="a .tsv, .csv or .jsonl table with the column path and any of title, description, tags "
            "(comma-separated), author, licence, source_link",
        )
        parser.add_argument("--tag", action="append", default=[], help="a tag for all of them; may be repeated")
        parser.add_argument(
            "--enqueue", action="store_true", help="leave the vectors to `embed_pending`, here or on other machines"
        )
        parser.add_argument("--dry-run", action="store_true", help="look at everything, keep nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        roots = [Path(path) for path in options["paths"] if Path(path).is_dir()]
        metadata = self._metadata(options["metadata"], roots)
        source = files_source(options["paths"], metadata.details)
        try:
            with progress_of(len(source), self.stdout) as progress:
                report = ingest(
                    source,
                    tags=clean_tags(options["tag"]),
                    dry_run=options["dry_run"],
                    enqueue=options["enqueue"],
                    progress=progress,
                )
        except (ModelUnavailable, StorageUnavailable) as error:
            raise CommandError(f"{error}\nWhat was added stays; run the same command again to go on.") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. What was added stays; run the same command again to go on.") from None
        report.failed += source.problems + [
            (name, "Named in the metadata, but not there.") for name in metadata.missing
        ]
        self._summarise(report, metadata, dry_run=options["dry_run"])
        if report.stopped:
            raise CommandError("Stopped. What was added stays; run the same command again to go on.")
        if not options["dry_run"] and not options["enqueue"]:
            calibrate_after(self.stdout, self.stderr)
        if report.failed:
            raise SystemExit(1)

    def _metadata(self, table: Path | None, roots: list[Path]) -> Metadata:
        if table is None:
            return Metadata()
        try:
            return read_metadata(table, roots)
        except MetadataError as error:
            raise CommandError(str(error)) from error

    def _summarise(self, report: Report, metadata: Metadata, *, dry_run: bool) -> None:
        for where, problem in metadata.problems:
            self.stderr.write(f"{where}: {problem}")
        for name, reason in report.failed:
            self.stderr.write(f"{name}: {reason}")
        added = "would be added" if dry_run else "added"
        self.stdout.write(f"{report.added:,} {added}, {report.known:,} already here, {len(report.failed):,} failed.")
