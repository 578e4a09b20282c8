"""`manage.py find_duplicates`: find duplicate pictures."""

import argparse
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from search.duplicates import keypoint_matching
from search.duplicates.detection import Comparing, Found
from search.duplicates.hash_index import Hashes
from search.duplicates.neighbourhoods import batches
from search.duplicates.thumbnail_features import hashed, without_fingerprint
from search.duplicates.workers import Ended, Workers
from search.embedding import active_model
from search.ingestion import Progress, Report
from search.ingestion.fingerprints_of_changed_files import compare_again, write_fingerprints
from search.management.base import CollectionCommand, at_least_one
from search.management.embedding_commands import recorded_work
from search.management.outages import GO_ON
from search.management.progress import progress_of
from search.models import Fingerprint, Image, Run
from search.models.vector_sets import VectorTable, current_set

_AT_ONCE = 500
MOST_JOBS = 8
"""Default maximum: each process has a database connection and memory of its own."""


class Command(CollectionCommand):
    help = (
        "Find duplicate pictures, and similar shots of one scene; curators decide on them in the admin. Only new "
        "pictures are compared. Stopped and run again, it resumes; any number of these may run at once. The pictures "
        "are not changed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--again",
            action="store_true",
            help="compare all pictures, also those compared before; decisions are kept",
        )
        parser.add_argument(
            "--jobs",
            type=at_least_one,
            default=min(os.cpu_count() or 1, MOST_JOBS),
            metavar="N",
            help="processes to compare with, 200 MB each (default: the number of processors, at most 8)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.report, self.found = Report(), Found()
        if options["again"]:
            compare_again()
        with recorded_work(Run.Kind.DUPLICATES, self.stderr) as (record, stop):
            record.take(self.report)
            self._hash(options["jobs"], stop)
            table = current_set(active_model())
            if table is None:
                raise CommandError("No picture has a vector yet: run `manage.py embed_pending`.")
            with progress_of(Fingerprint.objects.filter(is_compared=False).count(), self.stdout) as progress:
                self._compare(table, options["jobs"], stop, record.noting(progress))
            self.report.stopped = stop.is_set()
        self._print(stop.is_set())

    def _hash(self, jobs: int, stop: threading.Event) -> None:
        """Hash pictures that were added before there were hashes."""
        last = uuid.UUID(int=0)
        there = Image.objects.filter(fingerprint=None).count()
        report = Report(doing="Reading thumbnails")
        if not there:
            return
        with ThreadPoolExecutor(jobs) as workers, progress_of(there, self.stdout) as progress:
            progress(report)
            report.doing = ""
            while not stop.is_set() and (ids := without_fingerprint(_AT_ONCE, last)):
                found, last = hashed(ids, workers), ids[-1]
                for one in found:
                    if one.failure:
                        self.report.fail(str(one.image_id), one.failure)
                with transaction.atomic():
                    write_fingerprints({one.image_id: one.hash for one in found if not one.failure})
                report.known += len(ids)
                progress(report)

    def _compare(self, table: VectorTable, jobs: int, stop: threading.Event, progress: Progress) -> None:
        progress(self.report)
        waiting = batches(table)
        jobs = min(jobs, len(waiting))
        if jobs < 2:  # a process takes a second to start
            comparing = Comparing(table, Hashes())
            for ids in waiting:
                if stop.is_set():
                    return
                self._count(comparing.compare(ids), progress)
            return
        try:
            with Workers(table, jobs) as workers:
                for found in workers.compared(waiting, stop):
                    self._count(found, progress)
        except Ended:
            if stop.is_set():
                return
            raise CommandError(f"A process was killed, perhaps for lack of memory. {GO_ON}") from None

    def _count(self, found: Found, progress: Progress) -> None:
        self.found.add(found)
        self.report.known += found.compared
        progress(self.report)

    def _print(self, stopped: bool) -> None:
        for name, reason in self.report.failed:
            self.stderr.write(f"{name}: {reason}")
        left = Fingerprint.objects.filter(is_compared=False).count()
        self.stdout.write(
            f"{self.found.compared:,} pictures compared: {self.found.same:,} pairs that are the same picture, "
            f"{self.found.similar:,} of similar shots. {left:,} pending"
            f"{'' if stopped or not left else ', without vectors yet'}."
        )
        if not keypoint_matching.is_there():
            self.stdout.write(
                "Crops, turned pictures and those with a border were not searched for: that needs OpenCV, "
                "`pip install -r requirements-duplicates.txt`; then run this with --again."
            )
        if self.report.failed:
            raise SystemExit(1)
