"""`manage.py embed_pending`: give the pictures that `ingest --enqueue` left their vectors."""

import argparse
import threading
import time
from typing import Any

from django.core.management.base import CommandError

from search import switching
from search.embedding import ModelUnavailable, active_model, forget_unused
from search.ingestion import Pending, PendingWindows, Progress, Report, Worker
from search.ingestion.pipeline.steps import BATCH
from search.ingestion.runs import Record
from search.ingestion.worker import RETRY_UNREACHABLE
from search.management.base import CollectionCommand, at_least_one
from search.management.calibrating import calibrate_after
from search.management.embedding import failures_told, stopped_by_signals, summarise
from search.management.progress import LINE_EVERY, progress_of
from search.models import Image, Run

REST = 30.0
"""Seconds between two looks at what other models lack that are being prepared."""


class Command(CollectionCommand):
    help = (
        "Compute the vectors of pictures that were added with `ingest --enqueue`. Any number of these may run at "
        "once, on any number of machines; one that is killed loses nothing. Ctrl-C or SIGTERM ends it after the batch "
        "at hand. Exit status 1 if any picture failed."
    )

    _look_at = float("-inf")
    _embedded = 0
    """By tries that ended since something was away, which has the command begin anew."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="wait for more when all is done, as a service does")
        parser.add_argument(
            "--batch",
            type=at_least_one,
            default=BATCH,
            metavar="N",
            help=f"pictures that are claimed, encoded and written together ({BATCH}); more are no faster",
        )
        parser.add_argument("--limit", type=at_least_one, metavar="N", help="stop after N pictures")
        parser.add_argument(
            "--windows",
            action="store_true",
            help="instead, see the wide and tall pictures whole that were added by a version that saw their middle",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["windows"]:
            self._make_up_windows(options)
            return
        with failures_told(), Record(Run.Kind.EMBED) as record, stopped_by_signals(self.stderr) as stop:
            if options["watch"]:
                worker = self._worker(options, stop=stop, progress=record.noting(self._lines()))
                worker.watch(lambda: self._rested(worker.report), lambda: self._go_on_switching(stop))
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
                    self._go_on_switching(stop)
            worker.report.stopped = stop.is_set()
            left = Image.objects.pending().count()
            if left <= len(worker.report.failed) and not options["watch"]:
                calibrate_after(self.stdout, self.stderr)
        worker.report.added += self._embedded
        summarise(worker.report, self.stdout, self.stderr, f"embedded, {left:,} still pending")

    def _make_up_windows(self, options: dict[str, Any]) -> None:
        if options["watch"]:
            raise CommandError("--windows has an end: pictures that come later are seen whole. Leave out --watch.")
        owed = Image.objects.with_pending_windows(active_model())
        with failures_told(), Record(Run.Kind.EMBED) as record, stopped_by_signals(self.stderr) as stop:
            there = owed.count()
            with progress_of(min(there, options["limit"] or there), self.stdout) as progress:
                more: dict[str, Any] = {"stop": stop, "progress": record.noting(progress)}
                worker = Worker(PendingWindows(), batch=options["batch"], limit=options["limit"], **more)
                worker.work()
            worker.report.stopped = stop.is_set()
            left = owed.count()
            if left <= len(worker.report.failed):
                calibrate_after(self.stdout, self.stderr)
        summarise(worker.report, self.stdout, self.stderr, f"wide or tall pictures seen whole, {left:,} still to be")

    def _worker(self, options: dict[str, Any], **more: Any) -> Worker:
        return Worker(Pending(), batch=options["batch"], limit=options["limit"], **more)

    def _go_on_switching(self, stop: threading.Event) -> None:
        """Share in what `switch_model` has begun: vectors of other models, or copying those of the active ones."""
        if time.monotonic() < self._look_at:
            return
        switching.copy_vectors(stop)
        forget_unused()
        named = switching.being_prepared()
        if named is None or stop.is_set():
            return
        try:
            report = switching.fill(named, stop)
        except ModelUnavailable as error:  # the active model goes on
            self._look_at = time.monotonic() + RETRY_UNREACHABLE
            self.stderr.write(f"{named.pair.image}, which is being prepared, can't be used here: {error}")
            return
        self._look_at = time.monotonic() + (RETRY_UNREACHABLE if report.failed else REST)
        for name, reason in report.failed:
            self.stderr.write(f"{name}: {reason}")
        if report.added:
            self.stdout.write(f"{report.added:,} vectors of {named.pair.image} added, which is being prepared.")

    def _rested(self, report: Report) -> None:
        self.stdout.write(f"{report.added:,} embedded, {len(report.failed):,} failed so far. Waiting for more.")
        calibrate_after(self.stdout, self.stderr)

    def _lines(self) -> Progress:
        told = time.monotonic()

        def tell(report: Report) -> None:
            nonlocal told
            if report.doing:
                self.stdout.write(f"{report.doing} ...")
            elif time.monotonic() - told >= LINE_EVERY:
                told = time.monotonic()
                self.stdout.write(f"{report.added:,} embedded")

        return tell
