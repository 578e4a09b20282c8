"""`manage.py compare_models`: compare two models on the same queries, by metrics or by the results of one query."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from search.decoding import NoDecoder
from search.embedding import ModelUnavailable, Pair, active_pair, identity_of
from search.ingestion.table_formats import MetadataError
from search.management.base import CollectionCommand, at_least_one
from search.management.comparison_output import TimedLines, as_json, lines_of, print_problems
from search.model_comparison.comparing import Comparison, NothingToMeasure, compare_files, compare_sets
from search.model_comparison.judgements import labelled_by_curators, write_judgements
from search.model_comparison.labelled import Labelled, read_labelled
from search.model_comparison.pairs import NothingToCompare, chosen_sets, names_of, pair_of
from search.model_comparison.side_by_side import Listed, found_by, side_by_side
from search.models.vector_values import WrongVectors
from search.query import BadQuery, SearchQuery

_WIDTH = 34
_REFUSALS = (BadQuery, MetadataError, NothingToCompare, NothingToMeasure, ModelUnavailable, WrongVectors, NoDecoder)


class Command(CollectionCommand):
    help = (
        "Compare two models on a labelled set: recall@1, @5 and @10, MRR and nDCG@10 per language, with confidence "
        "intervals and whether the difference is significant. A labelled set is a table with the columns query, "
        "language, path or id, and grade (CSV, TSV, JSON lines), or the published captions of COCO, Flickr30k or "
        "XM3600. By default the active model is compared with another one that has vectors here (switch_model "
        "prepares one), on all pictures that have both; with --images, any two models are compared on the labelled "
        "files, without the collection."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("labelled", nargs="?", type=Path, metavar="FILE", help="the labelled set")
        parser.add_argument(
            "--judgements", action="store_true", help="use the judgements of curators from the page “Compare models”"
        )
        parser.add_argument("--query", metavar="WORDS", help="show both models' results for a query, side by side")
        parser.add_argument(
            "--model",
            nargs="+",
            action="append",
            default=[],
            metavar=("IMAGE_MODEL", "TEXT_MODEL"),
            help="a model to compare, by its hub id or folder, and its text model where that is another; once or "
            "twice (default: the active one, and the other one that has vectors here)",
        )
        parser.add_argument(
            "--images",
            type=Path,
            metavar="FOLDER",
            help="the folder of the labelled files: encode them with both models instead of searching the collection",
        )
        parser.add_argument(
            "--language", default="", metavar="CODE", help="the language of queries without one (captions: en)"
        )
        parser.add_argument("--split", default="", metavar="NAME", help="only this split of the set, such as test")
        parser.add_argument(
            "--queries", type=at_least_one, metavar="N", help="a random sample of at most N queries per language"
        )
        parser.add_argument("--json", action="store_true", help="print all metrics as JSON")
        parser.add_argument(
            "--export", type=Path, metavar="FILE.csv", help="export the judgements of curators as a table, and exit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["export"]:
                self._export(options["export"])
            elif options["query"] is not None:
                self._show(options["query"], _pairs(options["model"]))
            else:
                self._measure(options)
        except _REFUSALS as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or 'A file'}: {error.strerror or error}") from error

    def _measure(self, options: dict[str, Any]) -> None:
        if options["judgements"] == bool(options["labelled"]):
            raise CommandError("Name a labelled set, or use --judgements or --query; see --help.")
        labelled = _labelled(options)
        comparison = self._compared(labelled, options)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(comparison), ensure_ascii=False, indent=2))
            return
        print_problems(comparison, self.stderr)
        for line in lines_of(comparison, by_curators=options["judgements"]):
            self.stdout.write(line)

    def _compared(self, labelled: Labelled, options: dict[str, Any]) -> Comparison:
        folders = [one for one in (options["images"], options["labelled"] and options["labelled"].parent) if one]
        progress, pairs = TimedLines(self.stderr), _pairs(options["model"])
        if not options["images"]:
            first, second = chosen_sets(pairs)
            return compare_sets(labelled, first, second, folders=folders, most=options["queries"], progress=progress)
        if not options["images"].is_dir():
            raise CommandError(f"{options['images']} is not a folder.")
        if options["judgements"]:
            raise CommandError("Judgements are of pictures of the collection: leave out --images.")
        if not pairs:
            raise CommandError("Name one or two models to compare with --model.")
        both = [active_pair(), *pairs][-2:]
        return compare_files(labelled, both[0], both[1], folders, most=options["queries"], progress=progress)

    def _show(self, words: str, pairs: Sequence[Pair]) -> None:
        first, second = chosen_sets(pairs)
        query = SearchQuery.from_params({"q": [words]})
        lists = [found_by(one, query) for one in (first, second)]
        found = side_by_side(first, second, lists, query)
        names = names_of(first, second)
        self.stdout.write(f"A  {names[0]}\nB  {names[1]}\n")
        for place in range(max(len(found.first), len(found.second))):
            own = (_cell(found.first[place : place + 1]), _cell(found.second[place : place + 1]))
            self.stdout.write(f"{place + 1:>3}  {own[0]:{_WIDTH + 10}}{own[1]}".rstrip())
        tau = "" if found.correlation is None else f"; Kendall's tau {found.correlation:.2f}"
        self.stdout.write(f"\n{found.overlap} of {len(found.first)} in both lists{tau}")

    def _export(self, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            count = write_judgements(file)
        self.stdout.write(f"{count:,} judgements written to {path}.")


def _labelled(options: dict[str, Any]) -> Labelled:
    if options["judgements"]:
        return labelled_by_curators()
    labelled = read_labelled(options["labelled"], language=options["language"], split=options["split"])
    if not labelled.queries and labelled.problems:
        where, reason = labelled.problems[0]
        raise NothingToMeasure(f"{labelled.name} has no query that can be asked ({where}: {reason})")
    return labelled


def _pairs(named: Sequence[Sequence[str]]) -> list[Pair]:
    """Return the named pairs. A single model gets its known text model, or else encodes text itself."""
    if len(named) > 2:
        raise CommandError("Two models are compared: use --model at most twice.")
    pairs = []
    for names in named:
        if len(names) > 2:
            raise CommandError("A --model is one name, or two: the image model and the text model.")
        if len(names) == 2:
            pairs.append(Pair(names[0], names[1]))
        else:
            pairs.append(pair_of(identity_of(names[0])) or Pair(names[0], names[0]))
    return pairs


def _cell(listed: Sequence[Listed]) -> str:
    if not listed:
        return ""
    one = listed[0]
    title = one.image.title or str(one.image.pk)
    return f"{one.similarity:.3f} {title[:_WIDTH]}"
