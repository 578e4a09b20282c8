"""`manage.py evaluate_relevance`: whether what is called strong is right, on pictures of which it is known."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable, active_model
from search.evaluation.relevance import drawn_world, evaluate, photo_world
from search.imaging import UnreadableImage


class Command(BaseCommand):
    help = (
        "Print, per language, how many queries for things that are there have a strong match, how many for things "
        "that are not there have none, and how many of the strong matches are right. On fresh drawings, which is fair "
        "to the demo's model only, or on labelled photos. The collection is neither asked nor changed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--photos",
            type=Path,
            metavar="FOLDER",
            help="a folder whose index.tsv names the photos: columns path, label_en, label_ko, ...",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path | None = options["photos"]
        try:
            world = photo_world(folder) if folder else drawn_world()
            self.stdout.write(f"{active_model()}, {len(world.pictures):,} pictures, half of them left out at a time")
            for line in evaluate(world):
                self.stdout.write(line)
        except (OSError, KeyError, IndexError, UnreadableImage, ModelUnavailable) as error:
            raise CommandError(f"Nothing to evaluate: {error}") from error
