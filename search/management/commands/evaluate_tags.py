"""`manage.py evaluate_tags`: how many suggestions of tags are right, where that is known."""

import argparse
from typing import Any

from django.core.management.base import CommandError

from search.embedding import ModelUnavailable, active_pair
from search.management.base import CollectionCommand, at_least_one
from search.tagging.evaluating import evaluate


class Command(CollectionCommand):
    help = (
        "Suggest tags for fresh drawings of which it is known what they show, as for a collection of them, and tell "
        "how many suggestions are right (precision) and how many of the pictures that show it are found: before "
        "anybody has decided, and after a curator has decided about 40 suggestions of each tag. The demo model knows "
        "such drawings. Nothing of the collection is read or changed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--pictures", type=at_least_one, default=1_200, metavar="N", help="drawings (1,200)")

    def handle(self, *args: Any, **options: Any) -> None:
        pair = active_pair()
        self.stdout.write(f"{pair.image} for pictures, {pair.text} for words")
        try:
            for line in evaluate(options["pictures"]):
                self.stdout.write(line)
        except ModelUnavailable as error:
            raise CommandError(str(error)) from error
