"""`manage.py switch_model`: prepare another pair of models beside the active one, and swap without downtime."""

import argparse
import threading
from typing import Any

from django.core.management.base import CommandError

from search import switching
from search.embedding import Pair
from search.ingestion import Pending, Report, Worker
from search.management.base import CollectionCommand, command_errors
from search.management.embedding_commands import as_command_errors, stopped_by_signals
from search.management.progress import progress_of
from search.management.switch_output import print_state
from search.models import Image, VectorSet
from search.switching import activating, preparing, vector_copying


class Command(CollectionCommand):
    help = (
        "Change the models without downtime. With model names: compute their vectors beside the active ones, build "
        "their index and calibrate. That may take days, be interrupted and resumed, and run on many machines at once;"
        " searches keep using the active models. Then --activate swaps them, and --back returns. Without arguments:"
        " print the state."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("image_model", nargs="?", default="", help="id on the hub, or folder")
        parser.add_argument("text_model", nargs="?", default="", help="the text model, where that is not the same one")
        parser.add_argument(
            "--text", default="", metavar="MODEL", help="another text model with the active image model"
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--activate", action="store_true", help="use the prepared models; the previous ones are kept"
        )
        what.add_argument("--back", action="store_true", help="return to the previous models")
        what.add_argument("--abort", action="store_true", help="cancel the preparation and drop its vectors")
        what.add_argument("--forget", metavar="OLD", help="drop the vectors of a model that is no longer used")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = [options[name] for name in ("activate", "back", "abort", "forget")]
        names = [options["image_model"], options["text_model"], options["text"]]
        if any(asked) and any(names):
            raise CommandError("Either name models to prepare, or use an option for prepared models, not both.")
        if options["text"] and options["text_model"]:
            raise CommandError("The text model is named twice.")
        with command_errors(switching.Refused), as_command_errors():
            self._do(options, names)

    def _do(self, options: dict[str, Any], names: list[str]) -> None:
        if any(names):
            self._prepare(switching.settled_pair(names[0], names[1] or names[2]))
        elif options["activate"]:
            self._activate()
        elif options["back"]:
            self._go_back()
        elif options["abort"]:
            named = switching.abort()
            is_used = VectorSet.objects.filter(model=named.model).exists()
            self.stdout.write(
                f"Cancelled the preparation of {named.pair.image}, with {named.pair.text} for texts. "
                + ("The active or previous models use its vectors." if is_used else "Its vectors are dropped.")
            )
        elif options["forget"]:
            self.stdout.write(f"Dropped the vectors of {switching.forget_models_of(options['forget'])}.")
        else:
            print_state(switching.state(), self.stdout)

    def _prepare(self, pair: Pair) -> None:
        named = switching.begin(pair)
        self.stdout.write(f"Preparing {pair.image}, with {pair.text} for texts.")
        with stopped_by_signals(self.stderr) as stop:
            with progress_of(preparing.missing(named), self.stdout) as progress:
                report = switching.fill(named, stop, progress)
            self._print_failed(report)
            measured = (
                None
                if stop.is_set()
                else switching.finish(named, lambda doing: self.stdout.write(f"{doing} ..."), stop)
            )
        if measured is None:
            self.stdout.write(
                f"Stopped: {report.added:,} vectors were added and kept. Run the same command again to resume."
            )
            return
        self.stdout.write("Prepared. `manage.py switch_model --activate` uses it; `--abort` drops it.")

    def _activate(self) -> None:
        with stopped_by_signals(self.stderr) as stop:
            if not vector_copying.is_left():
                named = activating.require_prepared()
                if not self._caught_up(named, stop):
                    return
                self._print_swapped(switching.activate(named))
            self._settle(stop)

    def _go_back(self) -> None:
        with stopped_by_signals(self.stderr) as stop:
            named = activating.require_kept()
            if not self._caught_up(named, stop):
                return
            self._print_swapped(switching.go_back(named))
            self._settle(stop)

    def _caught_up(self, named: Any, stop: threading.Event) -> bool:
        with progress_of(preparing.missing(named), self.stdout) as progress:
            self._print_failed(switching.catch_up(named, progress, stop))
        if stop.is_set():
            self.stdout.write("Stopped before the switch.")
        return not stop.is_set()

    def _print_swapped(self, swapped: switching.Swapped) -> None:
        pair = swapped.named.pair
        self.stdout.write(
            f"Switched to {pair.image}, with {pair.text} for texts, in {1000 * swapped.seconds:.0f} ms. Running "
            "processes follow within seconds, each when it has loaded them."
        )
        if swapped.unfound:
            self.stderr.write(
                f"{swapped.unfound:,} pictures have no vector of it yet: no search finds them until they are encoded, "
                "which this command does at its end, and `manage.py embed_pending` later."
            )

    def _settle(self, stop: threading.Event) -> None:
        """Copy the new vectors into the pictures' rows, and embed pictures that were added meanwhile."""
        if vector_copying.is_left():
            self.stdout.write("Copying the vectors into the pictures' rows, in the background of searches ...")
            with progress_of(vector_copying.left(), self.stdout) as progress:
                switching.copy_vectors(stop, progress)
        if stop.is_set() and vector_copying.is_left():
            self.stdout.write("Stopped. `manage.py switch_model --activate` resumes copying, as `embed_pending` does.")
            return
        pending = Image.objects.pending().filter(embedding_failure="").count()
        if pending and not stop.is_set():
            with progress_of(pending, self.stdout) as progress:
                worker = Worker(Pending(), stop=stop, progress=progress)
                worker.work()
            self._print_failed(worker.report)
        self.stdout.write("Done. `manage.py switch_model` shows which models are kept, and how to return.")

    def _print_failed(self, report: Report) -> None:
        for name, reason in report.failed:
            self.stderr.write(f"{name}: {reason}")
        if report.failed:
            self.stderr.write(
                f"{len(report.failed):,} pictures have no vector of this model; the others are not affected."
            )
