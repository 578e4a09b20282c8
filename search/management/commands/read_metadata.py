"""`manage.py read_metadata`: dates, cameras and captions of the pictures that are here already."""

import argparse
from typing import Any

from django.core.management.base import CommandError

from search.curation.captures import read_again
from search.ingestion.metadata_rereading import Rereading, count_unread
from search.ingestion.runs import Record
from search.management.base import CollectionCommand, at_least_one
from search.management.embedding import failures_told, stopped_by_signals, summarise
from search.management.progress import progress_of
from search.models import Run


class Command(CollectionCommand):
    help = (
        "Read what cameras and people wrote into the files of pictures that are here already, and into files beside "
        "them that are still there: dates, cameras, places, captions. Nothing is decoded, and nothing that a person "
        "has changed is touched. Any number of these may run at once; stopped and run again, it goes on. Exit status "
        "1 if any picture failed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--read-captions",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="fill in titles, descriptions, tags, authors and licences where there are none, of pictures that "
            "`ingest` has brought (default: yes)",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="read all pictures, also those that were read before, as when sidecars have changed; stopped, it "
            "goes on without this flag",
        )
        parser.add_argument(
            "--replace-captions",
            action="store_true",
            help="put what is written now in place of titles, descriptions, tags, authors and licences that no "
            "curator has changed, no --metadata table has stated and nobody has typed at an upload",
        )
        parser.add_argument("--limit", type=at_least_one, metavar="N", help="stop after N pictures")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["replace_captions"] and not options["read_captions"]:
            raise CommandError("--replace-captions can't go with --no-read-captions.")
        if options["again"]:
            read_again()
        there, limit = count_unread(), options["limit"]
        with (
            failures_told(),
            Record(Run.Kind.METADATA) as record,
            stopped_by_signals(self.stderr) as stop,
            progress_of(min(there, limit or there), self.stdout) as progress,
        ):
            work = Rereading(
                min(there, limit or there),
                captions=options["read_captions"],
                replaces=options["replace_captions"],
                limit=limit,
                stop=stop,
                progress=record.noting(progress),
            )
            work.work()
        summarise(work.report, self.stdout, self.stderr, f"read, {count_unread():,} still to be")
