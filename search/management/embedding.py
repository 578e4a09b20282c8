"""What `embed_pending` and `reembed` tell: what became of the pictures, and what stopped the work."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError, OutputWrapper

from search.embedding import ModelUnavailable
from search.ingestion import LOST_DATABASE, Report
from search.storage import StorageUnavailable


@contextmanager
def failures_told() -> Iterator[None]:
    """Raise CommandError for a model, a storage or a database that is not there."""
    try:
        yield
    except (ModelUnavailable, StorageUnavailable) as error:
        raise CommandError(str(error)) from error
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
