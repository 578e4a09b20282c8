"""`manage.py reconcile`: make the object storage and the rows consistent."""

import argparse
import datetime as dt
import os
import time
from typing import Any

from django.contrib.auth import get_user_model

from search.ingestion import Finding, Problem, Reconciled, delete_pending
from search.ingestion.reconciling import OLD_AFTER
from search.ingestion.run_recording import Origin
from search.management.base import CollectionCommand, command_errors
from search.models import Run
from search.objects.storage import StorageUnavailable
from search.state.periodic_checks import keep
from search.state.storage_check import check_storage

_COUNTED = {
    Problem.ORIGINAL: "originals missing",
    Problem.DAMAGED: "originals damaged",
    Problem.UNREACHABLE: "originals in unreachable storage",
    Problem.THUMBNAIL: "thumbnails missing",
    Problem.ORPHAN: "pictures with objects and no row",
    Problem.DRAFT: "uploads or files never finished",
    Problem.STRANGE: "objects that are not ours, ignored",
}


class Command(CollectionCommand):
    help = (
        "Delete pending objects of deleted pictures; then check all rows and objects, and list missing files, objects "
        "without a row and unfinished uploads. Exit status 1 if anything is wrong and not repaired. The site and "
        "other commands can keep running."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="make missing thumbnails from originals, delete objects without a row and unfinished uploads, and "
            "let `ingest` read the files of missing originals again",
        )
        # The spelling of earlier versions, which cron jobs still have.
        parser.add_argument("--mend", dest="repair", action="store_true", help=argparse.SUPPRESS)
        parser.add_argument(
            "--older-than",
            type=_hours,
            metavar="HOURS",
            default=OLD_AFTER,
            help="minimum age of objects without a row, and of unfinished uploads, to count as left over "
            f"(default: {OLD_AFTER / dt.timedelta(hours=1):.0f})",
        )
        parser.add_argument(
            "--delete-many",
            action="store_true",
            help="with --repair: delete objects without a row even if there are so many that this may be the wrong "
            "database",
        )
        # Set by the admin, which starts this: the user who requested it.
        parser.add_argument("--asked-by", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        with command_errors(StorageUnavailable):
            self.stdout.write(f"Objects of {delete_pending():,} deleted pictures removed.")
            began = time.monotonic()
            report, kept = check_storage(
                self._print,
                record=True,
                origin=self._origin(options["asked_by"]),
                repair=options["repair"],
                delete_many=options["delete_many"],
                old_after=options["older_than"],
            )
            keep("storage", kept, time.monotonic() - began)
        self._summarise(report, repair=options["repair"])
        if not report.is_all_well:
            raise SystemExit(1)

    def _origin(self, asked_by: int | None) -> Origin:
        if asked_by is None:
            return Origin()
        os.nice(10)  # people search meanwhile
        return Origin(Run.Door.ADMIN, get_user_model().objects.filter(pk=asked_by).first())

    def _print(self, finding: Finding) -> None:
        repaired = " - repaired" if finding.is_repaired else ""
        remark = f" ({finding.remark})" if finding.remark else ""
        self.stderr.write(f"{finding.problem}: {finding.name}{remark}{repaired}")

    def _summarise(self, report: Reconciled, *, repair: bool) -> None:
        self.stdout.write(f"{report.rows:,} pictures and {report.objects:,} objects checked.")
        for problem, name in _COUNTED.items():
            if found := report.found[problem]:
                repaired = (
                    f", {report.repaired[problem]:,} repaired" if repair and problem is not Problem.STRANGE else ""
                )
                self.stdout.write(f"{found:,} {name}{repaired}.")
        if report.young:
            self.stdout.write(f"{report.young:,} too new to judge: they may be part of a running ingest.")
        if repair and report.found[Problem.ORIGINAL] + report.found[Problem.DAMAGED]:
            self.stdout.write("Missing originals are restored when `ingest` or an upload reads their files again.")
        if report.orphans_refused:
            self.stdout.write(
                "So many objects have no row that this may be the wrong database, or an older copy of it: none of "
                "them was deleted. To delete them, run this again with --repair --delete-many."
            )
        elif not repair and not report.is_all_well:
            self.stdout.write("Nothing was changed: --repair fixes what it can.")


def _hours(text: str) -> dt.timedelta:
    try:
        age = dt.timedelta(hours=float(text))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not a number of hours") from error
    if age < dt.timedelta(0):
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return age
