"""What `embed_pending` and `reembed` share: how they are stopped, and what they tell."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError, OutputWrapper

from search.embedding import ModelUnavailable
from search.ingestion import LOST_DATABASE, Report
from search.ingestion.stopping import stopping_in_order
from search.storage import StorageUnavailable


@contextmanager
def stopped_by_signals(out: OutputWrapper) -> Iterator[threading.Event]:
    """Yield what is set by the first Ctrl-C or SIGTERM of the block."""
    stop = threading.Event()

    def ask() -> None:
        out.write("Stopping after the batch at hand.")
        stop.set()

    with stopping_in_order(ask):
        yield stop


@contextmanager
def failures_told() -> Iterator[None]:
    """Raise CommandError for a model, a storage or a database that is not there."""
    try:
        yield
    except (ModelUnavailable, StorageUnavailable) as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        raise CommandError("Stopped. What was written stays; run the same command again to go on.") from None
    except LOST_DATABASE as error:
        raise CommandError(
            f"The database does not answer: {error}\nWhat was written stays; run the same command again to go on."
        ) from error


def summarise(report: Report, out: OutputWrapper, complaints: OutputWrapper, done: str) -> None:
    """Print what became of the pictures. Exits with status 1 if any failed."""
    for name, reason in report.failed:
        complaints.write(f"{name}: {reason}")
    out.write(f"{report.added:,} {done}, {len(report.failed):,} failed.")
    if report.failed:
        raise SystemExit(1)
