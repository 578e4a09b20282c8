"""`manage.py reconcile`: bring the object storage and the rows in line again."""

import argparse
import datetime as dt
import os
import time
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from search.ingestion import Finding, Problem, Reconciled, delete_pending
from search.ingestion.reconciling import OLD_AFTER
from search.ingestion.runs import Origin
from search.management.base import CollectionCommand
from search.models import Run
from search.objects.storage import StorageUnavailable
from search.state.periodic_checks import keep
from search.state.storage_check import look_through_storage

_COUNTED = {
    Problem.ORIGINAL: "originals missing",
    Problem.DAMAGED: "originals damaged",
    Problem.UNREACHABLE: "originals that stay where nothing answers",
    Problem.THUMBNAIL: "thumbnails missing",
    Problem.ORPHAN: "pictures with objects and no row",
    Problem.DRAFT: "uploads or files never finished",
    Problem.STRANGE: "objects that are not ours, left alone",
}


class Command(CollectionCommand):
    help = (
        "Delete the objects of deleted pictures that could not be deleted at once; then look at all rows and objects, "
        "and name what is missing, what has no row and what was never finished. Exit status 1 if anything is wrong "
        "and stays so. The site and other commands may run meanwhile."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--mend",
            action="store_true",
            help="make thumbnails again from originals, delete what has no row and what was never finished, and have "
            "`ingest` read the files again whose originals are missing",
        )
        parser.add_argument(
            "--older-than",
            type=_hours,
            metavar="HOURS",
            default=OLD_AFTER,
            help="how old what has no row, or was never finished, must be to count as left over "
            f"(default: {OLD_AFTER / dt.timedelta(hours=1):.0f})",
        )
        parser.add_argument(
            "--delete-many",
            action="store_true",
            help="with --mend: delete what has no row even where that is so much that this may be the wrong database",
        )
        # For the administration, which starts this: who asked for it.
        parser.add_argument("--asked-by", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(f"Objects of {delete_pending():,} deleted pictures removed.")
            began = time.monotonic()
            report, kept = look_through_storage(
                self._tell,
                record=True,
                origin=self._origin(options["asked_by"]),
                mend=options["mend"],
                delete_many=options["delete_many"],
                old_after=options["older_than"],
            )
            keep("storage", kept, time.monotonic() - began)
        except StorageUnavailable as error:
            raise CommandError(str(error)) from error
        self._summarise(report, mend=options["mend"])
        if not report.is_all_well:
            raise SystemExit(1)

    def _origin(self, asked_by: int | None) -> Origin:
        if asked_by is None:
            return Origin()
        os.nice(10)  # people search meanwhile
        return Origin(Run.Door.ADMIN, get_user_model().objects.filter(pk=asked_by).first())

    def _tell(self, finding: Finding) -> None:
        mended = " - mended" if finding.is_mended else ""
        remark = f" ({finding.remark})" if finding.remark else ""
        self.stderr.write(f"{finding.problem}: {finding.name}{remark}{mended}")

    def _summarise(self, report: Reconciled, *, mend: bool) -> None:
        self.stdout.write(f"{report.rows:,} pictures and {report.objects:,} objects looked at.")
        for problem, name in _COUNTED.items():
            if found := report.found[problem]:
                mended = f", {report.mended[problem]:,} mended" if mend and problem is not Problem.STRANGE else ""
                self.stdout.write(f"{found:,} {name}{mended}.")
        if report.young:
            self.stdout.write(f"{report.young:,} too young to tell: they may be on their way in.")
        if mend and report.found[Problem.ORIGINAL] + report.found[Problem.DAMAGED]:
            self.stdout.write("Missing originals come back when `ingest`, or an upload, meets their files again.")
        if report.orphans_refused:
            self.stdout.write(
                "So much has no row that this may be the wrong database, or an older copy of it: nothing of that was "
                "deleted. If it is to go, run this again with --mend --delete-many."
            )
        elif not mend and not report.is_all_well:
            self.stdout.write("Nothing was changed: --mend does what can be done.")


def _hours(text: str) -> dt.timedelta:
    try:
        age = dt.timedelta(hours=float(text))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text} is no number of hours") from error
    if age < dt.timedelta(0):
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return age
