"""Check the storage and store the result: what is missing or left over, of which pictures, and when."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.db import transaction

from search.ingestion import Finding, Problem, Reconciled, Report, reconcile
from search.ingestion.report import LeftOut, Why
from search.ingestion.run_recording import Origin, Record
from search.models import LostObject, Run
from search.models.sql_statements import execute

MOST_KEPT = 100_000
"""Maximum number of pictures stored as missing a file; all are counted."""
_KINDS = {
    Problem.ORIGINAL: LostObject.Kind.ORIGINAL,
    Problem.DAMAGED: LostObject.Kind.ORIGINAL,
    Problem.THUMBNAIL: LostObject.Kind.THUMBNAIL,
}


def check_storage(
    on_finding: Callable[[Finding], None] = lambda finding: None,
    *,
    record: bool = False,
    origin: Origin | None = None,
    **how: Any,
) -> tuple[Reconciled, dict[str, Any]]:
    """Check all rows and objects with `reconcile(**how)`; return its report, and the part that is stored.

    With `record` the check is recorded as a run. Raises StorageUnavailable.
    """
    lost: dict[tuple[Any, str], str] = {}
    report = Report()

    def note(finding: Finding) -> None:
        if finding.is_repaired:
            report.restored += 1
        elif finding.problem is not Problem.STRANGE:
            remark = f" ({finding.remark})" if finding.remark else ""
            name = str(finding.image_id or finding.name)
            report.leave_out(LeftOut(Why.FAILED, name, f"{finding.problem}{remark}"))
            if finding.problem in _KINDS and len(lost) < MOST_KEPT:
                lost.setdefault((finding.image_id, _KINDS[finding.problem]), finding.remark)
        on_finding(finding)

    with ExitStack() as stack:
        ledger = stack.enter_context(Record(Run.Kind.RECONCILE, origin)) if record else None
        found = reconcile(note, **how)
        _keep(lost)
        if ledger:
            report.known = found.rows
            left = found.found - found.repaired
            ledger.take(report, failed=left.total() - left[Problem.STRANGE])
    return found, {
        "rows": found.rows,
        "objects": found.objects,
        "left": {str(problem): count for problem, count in (found.found - found.repaired).items()},
        "repaired": {str(problem): count for problem, count in found.repaired.items() if count},
        "young": found.young,
        "not_asked": found.not_asked,
    }


@transaction.atomic
def _keep(lost: dict[tuple[Any, str], str]) -> None:
    LostObject.objects.all().delete()
    keys = list(lost)
    # Pictures that are gone by now are skipped.
    execute(
        "INSERT INTO search_lostobject (image_id, kind, remark) SELECT given.id, given.kind, given.remark"
        " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS given (id, kind, remark)"
        " JOIN search_image AS its ON its.id = given.id ORDER BY given.id FOR KEY SHARE OF its",
        [[image_id for image_id, _kind in keys], [kind for _id, kind in keys], list(lost.values())],
    )
