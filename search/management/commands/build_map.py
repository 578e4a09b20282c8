"""`manage.py build_map`: compute where pictures are on the map."""

import argparse
import time
from typing import Any

from django.core.management.base import CommandError

from search.management.base import CollectionCommand, command_errors
from search.management.embedding_commands import as_command_errors, stopped_by_signals
from search.mapping import HOW_TO_INSTALL, NotEnough, NotInstalled, build, can_build, has_map, is_due, place_new

_EACH = 15.0
"""Seconds between two progress lines."""


class Command(CollectionCommand):
    help = (
        "Build the map of the collection, /map/, on which similar pictures are near each other. Where there is a map, "
        "new pictures are put next to similar ones, and nothing else moves; it is rebuilt when a fifth of it was "
        "added that way, or the image model has changed. Interrupted, it leaves the map unchanged."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--again", action="store_true", help="rebuild the whole map")

    def handle(self, *args: Any, **options: Any) -> None:
        self._printed = 0.0
        with as_command_errors(), stopped_by_signals(self.stderr) as stop:
            if not (options["again"] or self._is_due()):
                placed = place_new(stop)
                self.stdout.write(f"{placed:,} new pictures were put on the map.")
                return
            with command_errors(NotEnough, NotInstalled):
                built = build(self._print, stop)
        if built is None:
            raise CommandError("Stopped. The map is unchanged.")
        self.stdout.write(f"{built.pictures:,} pictures are on the map, in {built.groups:,} groups.")

    def _is_due(self) -> bool:
        """Whether the map must be rebuilt. If it must and can't be, warn; new pictures are added to the existing
        one."""
        due = is_due()
        if due and not can_build() and has_map():
            self.stderr.write(f"The map should be rebuilt. {HOW_TO_INSTALL}")
            return False
        return due

    def _print(self, doing: str) -> None:
        now = time.monotonic()
        if "round" in doing and now - self._printed < _EACH:
            return
        self._printed = now
        self.stdout.write(f"{doing} ...")
