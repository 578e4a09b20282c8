"""`ingest --watch`: adds in rounds what `search.ingestion.sources.watching` finds, until it is stopped."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import CommandError, OutputWrapper
from django.db import connection

from search.decoding import NoDecoder
from search.embedding import ModelUnavailable
from search.ingestion import LOST_DATABASE, FolderWatch, Metadata, Report, Rules, ingest, watched_source
from search.ingestion.run_recording import Record
from search.ingestion.sources.file_names import not_read
from search.management.calibrating import calibrate_after
from search.management.embedding_commands import stopped_by_signals
from search.management.ingest_output import print_report
from search.objects.storage import StorageUnavailable

_OUTAGES = (StorageUnavailable, NoDecoder, psycopg.OperationalError, *LOST_DATABASE)
LOOK_EVERY = 5.0
"""Minimum seconds between two scans of the folders."""
A_RUN = 24 * 3600.0
"""Seconds after which rounds are recorded as a new run."""
_PAUSE_FACTOR = 10
"""Minimum pause after a scan, as a multiple of its duration: large folders are not scanned all the time."""


def watch(
    record: Record,
    folders: Collection[str],
    metadata: Callable[[], Metadata],
    *,
    tags: Sequence[str],
    enqueue: bool,
    again: bool,
    captions: bool,
    rules: Rules,
    table: Path | None,
    out: OutputWrapper,
    complaints: OutputWrapper,
) -> None:
    """Add what is in the folders, then what comes into them, and print a line for each round with news.

    The table is read again for each round. While the storage or the database is down, or the table half-written, it
    retries. The rounds of a day are one run of the ledger.
    """
    metadata()  # fail at once for a table that is wrong from the start
    rounds = _Rounds(record)
    watched = FolderWatch(folders, rules, table)
    with stopped_by_signals(complaints) as stop:
        out.write("Watching. Stop with Ctrl-C.")
        while not stop.is_set():
            began = time.monotonic()
            whole = watched.look()
            pause = max(LOOK_EVERY, _PAUSE_FACTOR * (time.monotonic() - began))
            for name, reason in watched.problems:
                complaints.write(f"{name}: {reason}")
            if line := not_read(watched.not_read):
                out.write(line)
            if whole:
                try:
                    table_metadata = metadata()
                    how: dict[str, Any] = {"enqueue": enqueue, "again": again, "captions": captions}
                    with rounds.next() as record:
                        source = watched_source(whole, table_metadata.details)
                        report = ingest(source, tags=tags, record=record, **how)
                        _settle(watched, report)
                    _print_news(report, table_metadata, out, complaints)
                    if report.stopped:
                        return
                    if report.added and not enqueue:
                        calibrate_after(out, complaints)
                except ModelUnavailable as error:
                    raise CommandError(str(error)) from error
                except (CommandError, *_OUTAGES) as error:
                    connection.close()
                    complaints.write(f"{str(error).strip()} Trying again.")
            stop.wait(pause)


class _Rounds:
    """Records the rounds of each day as one run."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._began = time.monotonic()

    @contextmanager
    def next(self) -> Iterator[Record]:
        if time.monotonic() > self._began + A_RUN:
            self._record, self._began = self._record.following(), time.monotonic()
        try:
            with self._record:
                yield self._record
        finally:
            self._record.end_round()


def _settle(watched: FolderWatch, report: Report) -> None:
    """Mark the files of this round as seen; keep only new failures in the report."""
    if not report.stopped:
        report.failed = watched.settle(report.failed, report.unread)


def _print_news(report: Report, table_metadata: Metadata, out: OutputWrapper, complaints: OutputWrapper) -> None:
    if report.added or report.changed or report.failed or report.restored or report.deleted:
        print_report(report, table_metadata.problems, out, complaints)
