"""`manage.py find_places`: find country, region and town of pictures with coordinates."""

import argparse
from typing import Any

from search.curation.place_lookup import count_unplaced, place_again, place_some
from search.ingestion.report import Report
from search.management.base import CollectionCommand
from search.management.embedding_commands import recorded_work, summarise
from search.management.progress import progress_of
from search.models import Run


class Command(CollectionCommand):
    help = (
        "Look up the country, region and town of pictures with coordinates in an installed table, without reading "
        "files or using the network. New pictures don't need it. Any number of these may run at once; stopped and run "
        "again, it resumes."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--again",
            action="store_true",
            help="look up all again, as after an update of the table of towns; to resume, leave out this flag",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["again"]:
            place_again()
        report = Report()
        with (
            recorded_work(Run.Kind.PLACES, self.stderr) as (record, stop),
            progress_of(count_unplaced(), self.stdout) as show,
        ):
            progress = record.noting(show)
            progress(report)
            while not stop.is_set() and (count := place_some()):
                report.added += count
                progress(report)
            report.stopped = stop.is_set()
        summarise(report, self.stdout, self.stderr, f"looked up, {count_unplaced():,} pending")
