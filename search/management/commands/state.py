"""`manage.py state`: counts, backlogs and problems, for the operator."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import translation

from search.management.base import CollectionCommand
from search.objects import storage
from search.state.all_sections import sections
from search.state.figures_and_sections import Figure, Section
from search.state.periodic_checks import CHECKS, look

WRONG, UNKNOWN = 1, 2
"""Exit statuses: something needs attention; nothing known does, but not everything was checked."""


class Command(CollectionCommand):
    help = (
        "Print the state of the collection, its backlogs and problems, each with when it was measured and the command "
        "that fixes it. Exit status 0 if all is well; 1 if something needs attention or can't be measured; 2 if "
        "nothing known does, but something was never checked, or not for three days."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            nargs="*",
            choices=sorted(CHECKS),
            metavar="WHAT",
            help=f"first check {', '.join(CHECKS)} or, without a name, all of them: seconds for the first, minutes "
            "for the others in a large collection. A server does that by itself (LOOK_HOURS)",
        )
        # The spelling of earlier versions.
        parser.add_argument("--look", dest="check", nargs="*", choices=sorted(CHECKS), help=argparse.SUPPRESS)
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--quiet", action="store_true", help="print nothing if all is well")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["check"]
        for name in CHECKS if wanted == [] else wanted or ():
            look(name)
        with translation.override("en"):
            state = [*sections(), _answering()]
            status = _status(state)
            if options["json"]:
                self.stdout.write(json.dumps(_as_json(state, status), indent=2, ensure_ascii=False, default=str))
            elif status or not options["quiet"]:
                self._print(state, status)
        if status:
            raise SystemExit(status)

    def _print(self, state: Sequence[Section], status: int) -> None:
        for section in state:
            self.stdout.write(f"{section.title} ({_when(section)})")
            for figure in section.figures:
                mark = "! " if figure.is_wrong else "  "
                note = f" ({figure.note})" if figure.note else ""
                self.stdout.write(f"{mark}{figure.label}: {_shown(figure)}{note}")
            self.stdout.write("")
        for figure in (figure for section in state for figure in section.wrong):
            value = f": {_shown(figure)}" if figure.value != figure.fix else ""
            self.stdout.write(f"NEEDS ATTENTION: {figure.label}{value}")
            if figure.fix:
                self.stdout.write(f"  Run: {figure.fix}")
        if unknown := [str(section.title) for section in state if not section.is_known]:
            self.stdout.write(f"NOT KNOWN, not checked lately: {', '.join(unknown)}")
            self.stdout.write("  Run: manage.py state --check")
        if not status:
            self.stdout.write("All is well.")


def _status(state: Sequence[Section]) -> int:
    if any(section.wrong for section in state):
        return WRONG
    return 0 if all(section.is_known and not section.failed for section in state) else UNKNOWN


def _answering() -> Section:
    """Whether the storage is reachable. If the database isn't, the command has failed already."""
    try:
        storage.check()
    except storage.StorageUnavailable as error:
        answer, is_wrong = str(error), True
    else:
        answer, is_wrong = "ok", False
    return Section("answering", "What answers", [Figure("storage_answers", "The storage", answer, is_wrong=is_wrong)])


def _when(section: Section) -> str:
    if not section.look:
        return "now"
    when = f"{section.measured:%Y-%m-%d %H:%M} UTC" if section.measured else "never checked"
    return f"{when}; the last check failed: {section.failed}" if section.failed else when


def _shown(figure: Figure) -> str:
    value = figure.value
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    if figure.unit == "bytes":
        return filesizeformat(value).replace("\xa0", " ")
    return f"{value:.1%}" if figure.unit == "share" else f"{value:,}"


def _as_json(state: Sequence[Section], status: int) -> dict[str, Any]:
    """Return the state under stable names; an unmeasured number is null."""
    return {
        "status": {0: "well", WRONG: "needs attention", UNKNOWN: "not known"}[status],
        "needs_attention": [
            {"name": figure.name, "what": str(figure.label), "value": figure.value, "run": figure.fix}
            for section in state
            for figure in section.wrong
        ],
        "not_known": [section.name for section in state if not section.is_known],
        "sections": {
            section.name: {
                "measured": section.measured.isoformat() if section.measured else None,
                "is_of_now": not section.look,
                "failed": section.failed,
                "figures": {figure.name: figure.value for figure in section.figures},
            }
            for section in state
        },
    }
