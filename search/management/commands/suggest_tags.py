"""`manage.py suggest_tags`: suggest tags of the vocabulary for pictures, for curators to accept."""

import argparse
from typing import Any

from django.core.management.base import CommandError

from search.embedding import ModelUnavailable
from search.ingestion import Report
from search.management.base import CollectionCommand, command_errors
from search.management.embedding_commands import stopped_by_signals
from search.management.progress import progress_of
from search.models import Image
from search.relevance import calibrate_if_due
from search.relevance.calibration import LEAST
from search.tagging.suggesting import suggest
from search.tagging.vocabulary import encode_missing, load_if_empty


class Command(CollectionCommand):
    help = (
        "Suggest tags of the vocabulary for pictures, to be accepted in the admin. Only what is new is compared: "
        "pictures, tags, and tags whose threshold has moved by decisions. A server does the same each minute. Without "
        "a vocabulary, the starting one is loaded."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--again", action="store_true", help="compare all pictures with all tags; decisions are kept"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if added := load_if_empty():
            self.stdout.write(f"{added:,} starting tags added.")
        with command_errors(ModelUnavailable):
            calibrate_if_due()
            encode_missing()
        report = Report()
        with (
            stopped_by_signals(self.stderr) as stop,
            progress_of(lambda: Image.objects.kept().count(), self.stdout) as show,
        ):

            def progress(count: int) -> None:
                report.known = count
                show(report)

            found = suggest(again=options["again"], patient=True, stop=stop, progress=progress)
        if not found.is_measured:
            raise CommandError(f"Not calibrated: that takes {LEAST} pictures.")
        self.stdout.write(f"{found.compared:,} pictures compared: {found.suggested:,} suggestions are new.")
        if not found.is_done:
            raise CommandError("Stopped. Run it again to resume.")
