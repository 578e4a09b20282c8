"""`manage.py vocabulary`: import and export the tags that can be suggested."""

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from search.ingestion.table_formats import MetadataError
from search.management.base import CollectionCommand, command_errors
from search.models import VocabularyTag
from search.tagging.vocabulary import load_starting
from search.tagging.vocabulary_tables import read_vocabulary, write_vocabulary


class Command(CollectionCommand):
    help = (
        "The vocabulary: tags with their names in English and Korean, aliases, the phrase that a text model encodes, "
        "and the broader tag. Pictures are not changed. Without arguments the tags are counted."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--start", action="store_true", help="add the missing ones of the starting tags")
        what.add_argument(
            "--import",
            dest="table",
            metavar="FILE",
            help="add the tags of a CSV, TSV or JSON Lines file that has any of the columns name, english, korean, "
            "phrase, aliases (comma-separated) and parent; known tags are updated, none is removed",
        )
        what.add_argument("--export", metavar="FILE", help="write all tags as CSV, with - to standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["table"]:
            self._import(Path(options["table"]))
        elif options["export"] == "-":
            write_vocabulary(self.stdout)
        elif options["export"]:
            self._export(Path(options["export"]))
        elif options["start"]:
            self.stdout.write(f"{load_starting():,} tags added.")
        else:
            count, suggested = VocabularyTag.objects.count(), VocabularyTag.objects.exclude(phrase="").count()
            self.stdout.write(f"{count:,} tags, of which {suggested:,} have a phrase and can be suggested.")

    def _import(self, path: Path) -> None:
        with command_errors(MetadataError):
            imported = read_vocabulary(lambda: path.open("rb"), path.name)
        for where, why in imported.problems:
            self.stderr.write(f"{where}: {why}")
        self.stdout.write(
            f"{imported.added:,} tags added, {imported.changed:,} changed, {len(imported.problems):,} problems."
        )
        if imported.problems:
            sys.exit(1)

    def _export(self, path: Path) -> None:
        try:
            with path.open("w", encoding="utf-8-sig", newline="") as file:
                count = write_vocabulary(file)
        except OSError as error:
            raise CommandError(f"{path} can't be written: {error}") from error
        self.stdout.write(f"{count:,} tags written to {path}.")
