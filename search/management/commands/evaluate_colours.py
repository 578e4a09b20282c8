"""`manage.py evaluate_colours`: precision and recall of the colour filter."""

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from search.facets.colour_evaluation import on_drawings, on_photos
from search.management.base import CollectionCommand, at_least_one


class Command(CollectionCommand):
    help = (
        "Search for colours in generated drawings with known colours, and print how many of the drawings of a colour "
        "are found (recall) and how many of those found have it (precision). With a folder, also print how many of "
        "its pictures each colour finds. The collection is neither read nor changed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, help="pictures to count colours in")
        parser.add_argument("--pictures", type=at_least_one, default=1_200, metavar="N", help="drawings (1,200)")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path | None = options["folder"]
        if folder and not folder.is_dir():
            raise CommandError(f"{folder} is not a folder.")
        for line in on_drawings(options["pictures"]):
            self.stdout.write(line)
        if folder:
            for line in on_photos(folder, max_pixels=settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000):
                self.stdout.write(line)
