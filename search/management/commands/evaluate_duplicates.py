"""`manage.py evaluate_duplicates`: precision and recall of duplicate detection."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.duplicates import keypoint_matching
from search.duplicates.evaluation import altered_pictures, evaluate
from search.embedding import ModelUnavailable, active_model
from search.management.base import at_least_one


class Command(BaseCommand):
    help = (
        "Make altered copies of photos (re-saved, scaled, grey, recoloured, turned, bordered, cropped) and bursts, "
        "mix them with other photos, and print which pairs are taken for the same: precision, and recall by kind. The "
        "collection is neither read nor changed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of photos")
        parser.add_argument("--altered", type=at_least_one, default=300, metavar="N", help="photos to alter (300)")
        parser.add_argument("--others", type=at_least_one, default=700, metavar="N", help="other photos (700)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not keypoint_matching.is_there():
            self.stderr.write("Without OpenCV (requirements-duplicates.txt): by hashes alone.")
        try:
            pictures = altered_pictures(options["folder"], options["altered"], options["others"])
            self.stdout.write(active_model())
            for line in evaluate(pictures):
                self.stdout.write(line)
        except (OSError, ValueError, ModelUnavailable) as error:
            raise CommandError(f"Nothing to evaluate: {error}") from error
