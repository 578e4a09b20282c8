"""A run notes in the database how far it is: it works in another process than the site, often on another machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection
from django.db.models.functions import Now

from search.ingestion.report import Progress, Report
from search.models import IngestRun

NOTED_EVERY = 15.0
"""Seconds."""


@contextmanager
def noted(progress: Progress) -> Iterator[Progress]:
    """Note a run while the block lasts. Yields the `progress` to be called, which is handed on to the one given."""
    run = _begin()
    report, last = Report(), time.monotonic()

    def note(now: Report) -> None:
        nonlocal report, last
        report = now
        if time.monotonic() > last + NOTED_EVERY:
            last = time.monotonic()
            _note(run, report)
        progress(now)

    outcome = IngestRun.Outcome.FAILED
    try:
        yield note
        outcome = IngestRun.Outcome.STOPPED if report.stopped else IngestRun.Outcome.DONE
    finally:
        # Where the database is what failed, that is told by what was raised.
        with suppress(Error):
            _note(run, report, ended=Now(), outcome=outcome)


def _begin() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        backend, started = cursor.fetchone()
    run = IngestRun.objects.create(backend=backend, backend_started=started)
    IngestRun.objects.filter(pk__lte=run.pk - IngestRun.KEPT).delete()
    return run.pk


def _note(run: int, report: Report, **more: object) -> None:
    IngestRun.objects.filter(pk=run).update(
        added=report.added, known=report.known, deleted=report.deleted, failed=len(report.failed), **more
    )
