"""What `ingest` tells of a run at its end."""

from collections.abc import Iterable

from django.core.management.base import OutputWrapper

from search.ingestion import Report
from search.ingestion.sources.listing import Findings
from search.ingestion.sources.names import not_read


def tell(
    report: Report,
    notes: Iterable[tuple[str, str]],
    out: OutputWrapper,
    complaints: OutputWrapper,
    *,
    dry_run: bool = False,
) -> None:
    """Print how many pictures were added, and what was wrong with which others."""
    for name, remark in [*notes, *report.failed]:
        complaints.write(f"{name}: {remark}")
    added = "would be added" if dry_run else "added"
    known = f"{report.known:,} already here"
    remarks = []
    if report.changed:
        remarks.append(f"{report.changed:,} of them in a new version")
    if report.updated:
        remarks.append(f"{report.updated:,} of them with other details")
    if report.restored:
        remarks.append(f"{report.restored:,} of them with files that were missing and are back")
    if report.trashed:
        remarks.append(f"{report.trashed:,} of them in the trash")
    if remarks:
        known += f" ({', '.join(remarks)})"
    if report.deleted:
        known += f", {report.deleted:,} deleted earlier"
    out.write(f"{report.added:,} {added}, {known}, {len(report.failed):,} failed.")
    if report.trashed:
        out.write("What is in the trash stays there: restore it in the administration, or by undoing.")
    if report.deleted:
        out.write("What was deleted from the collection stays so: --again has it added.")


def tell_what_was_not_applied(report: Report, out: OutputWrapper) -> None:
    """Print how many rows of the table were of pictures that were here already."""
    if report.not_applied:
        rows = "1 row of the table is" if report.not_applied == 1 else f"{report.not_applied:,} rows of the table are"
        out.write(f"{rows} of pictures that were already here, and not applied: --update-details does that.")


def tell_what_was_not_read(report: Report, findings: Findings, out: OutputWrapper) -> bool:
    """Print how many files of which kinds are not read; return whether there was something, and no picture at all."""
    if told := not_read(findings.not_read):
        out.write(told)
    if not report.seen and findings.left_alone:
        out.write(
            f"Left alone: {findings.left_alone:,} files and folders that are hidden, excluded, recycle bins or "
            "previews of other programs."
        )
    return not report.seen and bool(told)
