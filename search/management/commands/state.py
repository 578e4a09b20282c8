"""`manage.py state`: what there is, what waits, and what is wrong, for who looks at three in the morning."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import translation

from search.management.base import CollectionCommand
from search.objects import storage
from search.state.figures import Figure, Section
from search.state.periodic_checks import LOOKS, look
from search.state.sections import sections

WRONG, UNKNOWN = 1, 2
"""Exit statuses: something needs somebody; nothing that was looked at does, but not everything was."""


class Command(CollectionCommand):
    help = (
        "Tell what there is, what waits for whom and what is wrong, each with when it was looked at and the command "
        "that puts it right. Exit status 0 where all is well; 1 where something needs somebody, or can't be told; 2 "
        "where nothing does as far as is known, but something was never looked at, or not for three days."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--look",
            nargs="*",
            choices=sorted(LOOKS),
            metavar="WHAT",
            help=f"look anew before, at {', '.join(LOOKS)} or, where none of them is named, at all: seconds for the "
            "first, minutes for the others of a large collection. A server does that by itself (LOOK_HOURS)",
        )
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument("--quiet", action="store_true", help="print nothing where all is well")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["look"]
        for name in LOOKS if wanted == [] else wanted or ():
            look(name)
        with translation.override("en"):
            state = [*sections(), _answering()]
            status = _status(state)
            if options["json"]:
                self.stdout.write(json.dumps(_as_json(state, status), indent=2, ensure_ascii=False, default=str))
            elif status or not options["quiet"]:
                self._tell(state, status)
        if status:
            raise SystemExit(status)

    def _tell(self, state: Sequence[Section], status: int) -> None:
        for section in state:
            self.stdout.write(f"{section.title} ({_when(section)})")
            for figure in section.figures:
                mark = "! " if figure.is_wrong else "  "
                note = f" ({figure.note})" if figure.note else ""
                self.stdout.write(f"{mark}{figure.label}: {_shown(figure)}{note}")
            self.stdout.write("")
        for figure in (figure for section in state for figure in section.wrong):
            value = f": {_shown(figure)}" if figure.value != figure.mend else ""
            self.stdout.write(f"NEEDS SOMEBODY: {figure.label}{value}")
            if figure.mend:
                self.stdout.write(f"  Run: {figure.mend}")
        if unknown := [str(section.title) for section in state if not section.is_known]:
            self.stdout.write(f"NOT KNOWN, since nobody has looked lately: {', '.join(unknown)}")
            self.stdout.write("  Run: manage.py state --look")
        if not status:
            self.stdout.write("All is well.")


def _status(state: Sequence[Section]) -> int:
    if any(section.wrong for section in state):
        return WRONG
    return 0 if all(section.is_known and not section.failed for section in state) else UNKNOWN


def _answering() -> Section:
    """Whether the storage answers. Where the database doesn't, the command has said so already."""
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
    when = f"{section.measured:%Y-%m-%d %H:%M} UTC" if section.measured else "never looked at"
    return f"{when}; the last look failed: {section.failed}" if section.failed else when


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
    """All that is told, by names that stay: a number that nobody has measured is null."""
    return {
        "status": {0: "well", WRONG: "needs somebody", UNKNOWN: "not known"}[status],
        "needs_somebody": [
            {"name": figure.name, "what": str(figure.label), "value": figure.value, "run": figure.mend}
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
