"""`manage.py calibrate`: measure the scores of unrelated pictures, which give the relevance thresholds."""

from typing import Any

from search.embedding import ModelUnavailable
from search.management.base import CollectionCommand, command_errors
from search.management.calibrating import print_offered_searches
from search.relevance import calibrate
from search.relevance.calibration import LEAST


class Command(CollectionCommand):
    help = (
        "Measure the thresholds for strong matches in this collection. Runs automatically after ingest, reembed and "
        "uploads when the collection has changed by a tenth, or a model has changed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with command_errors(ModelUnavailable):
            report = calibrate()
        if report.words is None or report.showing is None:
            self.stdout.write(f"{report.pictures:,} pictures are too few to measure; {LEAST} are needed.")
            return
        self.stdout.write(
            f"{report.pictures:,} pictures, {report.model}.\n"
            f"Words: the best picture usually scores {report.words.least:.3f}; strong from {report.words.match:.3f}.\n"
            f"Pictures: strong from {report.showing.match:.3f}."
        )
        print_offered_searches(self.stdout)
