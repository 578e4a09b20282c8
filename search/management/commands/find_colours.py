"""`manage.py find_colours`: extract the colours of pictures that were added by an earlier version."""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from search.ingestion.palettes import count_unread, read_again, read_some
from search.ingestion.report import Report
from search.management.base import CollectionCommand, at_least_one
from search.management.embedding_commands import recorded_work, summarise
from search.management.progress import progress_of
from search.models import Palette, Run


class Command(CollectionCommand):
    help = (
        "Extract the colours of pictures that were added before palettes were stored, from their thumbnails; servers "
        "do the same slowly in the background. New pictures don't need it. Any number of these may run at once; "
        "stopped and run again, it resumes."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--again", action="store_true", help="process all pictures again; to resume, leave out this flag"
        )
        parser.add_argument(
            "--jobs",
            type=at_least_one,
            default=os.cpu_count() or 1,
            metavar="N",
            help="thumbnails read at the same time (default: the number of processors)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["again"]:
            read_again()
        else:
            read_again([Palette.UNREADABLE])
        report = Report()
        with (
            recorded_work(Run.Kind.COLOURS, self.stderr) as (record, stop),
            progress_of(count_unread(), self.stdout) as show,
            ThreadPoolExecutor(options["jobs"]) as workers,
        ):
            progress = record.noting(show)
            progress(report)
            while not stop.is_set() and (looked := read_some(workers)).pictures:
                report.added += looked.pictures - len(looked.failures)
                for name, reason in looked.failures:
                    report.fail(name, reason)
                progress(report)
            report.stopped = stop.is_set()
        summarise(report, self.stdout, self.stderr, f"processed, {count_unread():,} pending")
