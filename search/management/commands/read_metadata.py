"""`manage.py read_metadata`: read dates, cameras and captions of existing pictures."""

import argparse
from typing import Any

from django.core.management.base import CommandError

from search.curation.metadata_import import read_again
from search.ingestion.metadata_rereading import Rereading, count_unread
from search.management.base import CollectionCommand, at_least_one
from search.management.embedding_commands import recorded_work, summarise
from search.management.progress import progress_of
from search.models import Run


class Command(CollectionCommand):
    help = (
        "Read the metadata in the files of existing pictures, and in sidecar files that still exist: dates, cameras, "
        "places, captions. Pictures are not decoded, and edits are never overwritten. Any number of these may run at "
        "once; stopped and run again, it resumes. Exit status 1 if any picture failed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--read-captions",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="fill empty titles, descriptions, tags, authors and licences of pictures that were added by `ingest` "
            "(default: yes)",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="read all pictures, also those that were read before, as when sidecars have changed; to resume, "
            "leave out this flag",
        )
        parser.add_argument(
            "--replace-captions",
            action="store_true",
            help="replace titles, descriptions, tags, authors and licences, except those that a curator has edited, a "
            "--metadata table has set or a user has entered at an upload",
        )
        parser.add_argument("--limit", type=at_least_one, metavar="N", help="stop after N pictures")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["replace_captions"] and not options["read_captions"]:
            raise CommandError("--replace-captions can't be combined with --no-read-captions.")
        if options["again"]:
            read_again()
        there, limit = count_unread(), options["limit"]
        with (
            recorded_work(Run.Kind.METADATA, self.stderr) as (record, stop),
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
        summarise(work.report, self.stdout, self.stderr, f"read, {count_unread():,} pending")
