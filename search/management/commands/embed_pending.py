"""`manage.py embed_pending`: compute the vectors that `ingest --enqueue` left pending."""

import argparse
import threading
import time
from typing import Any

from django.core.management.base import CommandError

from search import switching
from search.embedding import ModelUnavailable, active_model, forget_unused
from search.ingestion import Pending, PendingWindows, Progress, Report, Worker
from search.ingestion.pending_vector_worker import RETRY_UNREACHABLE
from search.ingestion.pipeline.steps import BATCH
from search.management.base import CollectionCommand, at_least_one
from search.management.calibrating import calibrate_after
from search.management.embedding_commands import recorded_work, summarise
from search.management.progress import LINE_EVERY, progress_of
from search.models import Image, Run

REST = 30.0
"""Seconds between two checks for missing vectors of a model that is being prepared."""


class Command(CollectionCommand):
    help = (
        "Compute the vectors of pictures that were added with `ingest --enqueue`. Any number of these may run at "
        "once, on any number of machines; a killed one loses nothing. Ctrl-C or SIGTERM stops it after the current "
        "batch. Exit status 1 if any picture failed."
    )

    _look_at = float("-inf")
    _embedded = 0
    """Pictures embedded before an outage, after which `handle` runs again."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="keep running and wait for more, as a service")
        parser.add_argument(
            "--batch",
            type=at_least_one,
            default=BATCH,
            metavar="N",
            help=f"pictures that are claimed, encoded and written together ({BATCH}); larger batches are no faster",
        )
        parser.add_argument("--limit", type=at_least_one, metavar="N", help="stop after N pictures")
        parser.add_argument(
            "--windows",
            action="store_true",
            help="instead, embed the windows of wide and tall pictures of which an older version embedded only the "
            "middle",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["windows"]:
            self._embed_windows(options)
            return
        with recorded_work(Run.Kind.EMBED, self.stderr) as (record, stop):
            if options["watch"]:
                worker = self._worker(options, stop=stop, progress=record.noting(self._lines()))
                worker.watch(lambda: self._report_idle(worker.report), lambda: self._help_switching(stop))
            else:
                there = Image.objects.pending().count()
                with progress_of(min(there, options["limit"] or there), self.stdout) as progress:
                    worker = self._worker(options, stop=stop, progress=record.noting(progress))
                    try:
                        worker.work()
                    except Exception:
                        self._embedded += worker.report.added
                        raise
                if not options["limit"]:
                    self._help_switching(stop)
            worker.report.stopped = stop.is_set()
            left = Image.objects.pending().count()
            if left <= len(worker.report.failed) and not options["watch"]:
                calibrate_after(self.stdout, self.stderr)
        worker.report.added += self._embedded
        summarise(worker.report, self.stdout, self.stderr, f"embedded, {left:,} still pending")

    def _embed_windows(self, options: dict[str, Any]) -> None:
        if options["watch"]:
            raise CommandError(
                "--windows and --watch exclude each other: new pictures get their windows when they are added."
            )
        pending = Image.objects.with_pending_windows(active_model())
        with recorded_work(Run.Kind.EMBED, self.stderr) as (record, stop):
            there = pending.count()
            with progress_of(min(there, options["limit"] or there), self.stdout) as progress:
                more: dict[str, Any] = {"stop": stop, "progress": record.noting(progress)}
                worker = Worker(PendingWindows(), batch=options["batch"], limit=options["limit"], **more)
                worker.work()
            worker.report.stopped = stop.is_set()
            left = pending.count()
            if left <= len(worker.report.failed):
                calibrate_after(self.stdout, self.stderr)
        summarise(worker.report, self.stdout, self.stderr, f"wide or tall pictures embedded whole, {left:,} pending")

    def _worker(self, options: dict[str, Any], **more: Any) -> Worker:
        return Worker(Pending(), batch=options["batch"], limit=options["limit"], **more)

    def _help_switching(self, stop: threading.Event) -> None:
        """Help with what `switch_model` has begun: embedding for other models, or copying vectors of the active
        ones."""
        if time.monotonic() < self._look_at:
            return
        switching.copy_vectors(stop)
        forget_unused()
        named = switching.being_prepared()
        if named is None or stop.is_set():
            return
        try:
            report = switching.fill(named, stop)
        except ModelUnavailable as error:  # the active model is not affected
            self._look_at = time.monotonic() + RETRY_UNREACHABLE
            self.stderr.write(f"{named.pair.image}, which is being prepared, can't be used here: {error}")
            return
        self._look_at = time.monotonic() + (RETRY_UNREACHABLE if report.failed else REST)
        for name, reason in report.failed:
            self.stderr.write(f"{name}: {reason}")
        if report.added:
            self.stdout.write(f"{report.added:,} vectors of {named.pair.image} added, which is being prepared.")

    def _report_idle(self, report: Report) -> None:
        self.stdout.write(f"{report.added:,} embedded, {len(report.failed):,} failed so far. Waiting for more.")
        calibrate_after(self.stdout, self.stderr)

    def _lines(self) -> Progress:
        printed = time.monotonic()

        def print_line(report: Report) -> None:
            nonlocal printed
            if report.doing:
                self.stdout.write(f"{report.doing} ...")
            elif time.monotonic() - printed >= LINE_EVERY:
                printed = time.monotonic()
                self.stdout.write(f"{report.added:,} embedded")

        return print_line
