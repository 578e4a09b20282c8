"""`manage.py reembed`: after a change of model, compute all vectors with the new one."""

from typing import Any

from search.ingestion import reembed, stale_images
from search.ingestion.run_recording import Record
from search.management.base import CollectionCommand
from search.management.calibrating import calibrate_after
from search.management.embedding_commands import as_command_errors, stopped_by_signals, summarise
from search.management.progress import progress_of
from search.models import Run


class Command(CollectionCommand):
    help = (
        "Compute the vectors of pictures that were embedded by another model than the active one. May be stopped and "
        "run again, and run on many machines at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with as_command_errors(), Record(Run.Kind.REEMBED) as record:
            with stopped_by_signals(self.stderr) as stop, progress_of(stale_images(), self.stdout) as progress:
                report = reembed(record.noting(progress), stop=stop)
            report.stopped = stop.is_set()
            if not stop.is_set():
                calibrate_after(self.stdout, self.stderr)
        summarise(report, self.stdout, self.stderr, "embedded again")
