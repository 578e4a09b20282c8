"""`manage.py evaluate_tags`: precision and recall of tag suggestions on labelled drawings."""

import argparse
from typing import Any

from search.embedding import ModelUnavailable, active_pair
from search.management.base import CollectionCommand, at_least_one, command_errors
from search.tagging.evaluating import evaluate


class Command(CollectionCommand):
    help = (
        "Suggest tags for fresh drawings with known contents, as for a collection of them, and print precision and "
        "recall: before any decision, and after a curator has decided about 40 suggestions of each tag. The demo "
        "model knows such drawings. The collection is neither read nor changed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--pictures", type=at_least_one, default=1_200, metavar="N", help="drawings (1,200)")

    def handle(self, *args: Any, **options: Any) -> None:
        pair = active_pair()
        self.stdout.write(f"{pair.image} for pictures, {pair.text} for texts")
        with command_errors(ModelUnavailable):
            for line in evaluate(options["pictures"]):
                self.stdout.write(line)
