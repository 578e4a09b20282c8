"""What commands that embed or process pictures share: stopping, errors and the result line."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.management.base import CommandError, OutputWrapper

from search.decoding import NoDecoder
from search.embedding import ModelUnavailable
from search.ingestion import Report
from search.ingestion.pipeline.stopping import Stop, stopping_in_order
from search.ingestion.run_recording import Record
from search.management.base import command_errors
from search.models import Run
from search.objects.storage import StorageUnavailable


@contextmanager
def stopped_by_signals(out: OutputWrapper) -> Iterator[threading.Event]:
    """Yield an event that is set by the first Ctrl-C or SIGTERM within the block."""
    stop = Stop()

    def ask() -> None:
        stop.set()
        _write_at_once(out, "Stopping after the batch in progress.\n")

    with stopping_in_order(ask):
        yield stop


def _write_at_once(out: OutputWrapper, line: str) -> None:
    """Write from a signal handler, which may have interrupted a write to the same file."""
    try:
        number = out.fileno()
    except (AttributeError, OSError):  # not a file
        out.write(line)
        return
    with suppress(OSError):  # nobody reads it any more
        os.write(number, line.encode())


@contextmanager
def as_command_errors() -> Iterator[None]:
    """Turn an unavailable model, storage or decoder, and Ctrl-C, into CommandError."""
    try:
        with command_errors(ModelUnavailable, StorageUnavailable, NoDecoder):
            yield
    except KeyboardInterrupt:
        raise CommandError("Stopped. Finished work is kept; run the same command again to resume.") from None


@contextmanager
def recorded_work(kind: Run.Kind, out: OutputWrapper) -> Iterator[tuple[Record, threading.Event]]:
    """Record the work within the block; yield the record, and the event of `stopped_by_signals`."""
    with as_command_errors(), Record(kind) as record, stopped_by_signals(out) as stop:
        yield record, stop


def summarise(report: Report, out: OutputWrapper, complaints: OutputWrapper, done: str) -> None:
    """Print the result. Exits with status 1 if any picture failed."""
    for name, reason in report.failed:
        complaints.write(f"{name}: {reason}")
    out.write(f"{report.added:,} {done}, {len(report.failed):,} failed.")
    if report.failed:
        raise SystemExit(1)
