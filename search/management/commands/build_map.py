"""`manage.py build_map`: where pictures lie on the map."""

import argparse
import time
from typing import Any

from django.core.management.base import CommandError

from search.management.base import CollectionCommand
from search.management.embedding import failures_told, stopped_by_signals
from search.mapping import HOW_TO_INSTALL, NotEnough, NotInstalled, build, can_build, has_map, is_due, place_new

_EACH = 15.0
"""Seconds between two lines that tell how far it is."""


class Command(CollectionCommand):
    help = (
        "Draw the map of the collection, /map/, on which pictures that are alike lie near to each other. Where there "
        "is one, new pictures are put beside what they are like, and nothing else moves; the whole is drawn anew when "
        "a fifth of it came that way, or another model sees the pictures. Killed on the way, it leaves the map as it "
        "was."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--again", action="store_true", help="draw the whole map anew")

    def handle(self, *args: Any, **options: Any) -> None:
        self._told = 0.0
        with failures_told(), stopped_by_signals(self.stderr) as stop:
            if not (options["again"] or self._is_due()):
                placed = place_new(stop)
                self.stdout.write(f"{placed:,} new pictures were put on the map.")
                return
            try:
                built = build(self._tell, stop)
            except (NotEnough, NotInstalled) as problem:
                raise CommandError(str(problem)) from problem
        if built is None:
            raise CommandError("Stopped. The map is as it was.")
        self.stdout.write(f"{built.pictures:,} pictures are on the map, in {built.groups:,} groups.")

    def _is_due(self) -> bool:
        """Whether the whole must be drawn. Where it can't be, new pictures are put on the one that is there."""
        due = is_due()
        if due and not can_build() and has_map():
            self.stderr.write(f"The map is to be drawn anew. {HOW_TO_INSTALL}")
            return False
        return due

    def _tell(self, doing: str) -> None:
        now = time.monotonic()
        if "round" in doing and now - self._told < _EACH:
            return
        self._told = now
        self.stdout.write(f"{doing} ...")
