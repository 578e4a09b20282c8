"""`manage.py evaluate_relevance`: accuracy of the relevance bands on labelled pictures."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable, active_model
from search.imaging import UnreadableImage
from search.relevance.band_evaluation import drawn_world, evaluate, photo_world


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1.")
    return share


class Command(BaseCommand):
    help = (
        "Print, per language, how many queries for something that exists have a strong match, how many for something "
        "that doesn't exist have none, and the precision of strong matches: on fresh drawings, which only the demo's "
        "model knows, or on labelled photos. The collection is neither read nor changed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--photos",
            type=Path,
            metavar="FOLDER",
            help="a folder whose index.tsv names the photos: columns path, label_en, label_ko, ...",
        )

        parser.add_argument(
            "--wide",
            type=_share,
            default=0.0,
            metavar="SHARE",
            help="put this share of them, such as 0.3, at one end of a wide or tall background, and compare results "
            "by the middle of each picture with results by its windows",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path | None = options["photos"]
        try:
            wide: float = options["wide"]
            world = photo_world(folder, wide) if folder else drawn_world(wide=wide)
            self.stdout.write(f"{active_model()}, {len(world.pictures):,} pictures, half of them left out at a time")
            if wide:
                self.stdout.write("By the middle of each picture:")
                for line in evaluate(world.by_the_middle()):
                    self.stdout.write(line)
                self.stdout.write(f"With {len(world.windows_of):,} windows:")
            for line in evaluate(world):
                self.stdout.write(line)
        except (OSError, KeyError, IndexError, UnreadableImage, ModelUnavailable) as error:
            raise CommandError(f"Nothing to evaluate: {error}") from error
