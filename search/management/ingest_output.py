"""Prints the result of `ingest`."""

from collections.abc import Iterable

from django.core.management.base import OutputWrapper

from search.ingestion import Report
from search.ingestion.sources.file_names import not_read
from search.ingestion.sources.listing import Findings
from search.text.untrusted import visible


def print_report(
    report: Report,
    notes: Iterable[tuple[str, str]],
    out: OutputWrapper,
    complaints: OutputWrapper,
    *,
    dry_run: bool = False,
) -> None:
    """Print how many pictures were added, and the problems of the others."""
    for name, remark in [*notes, *report.failed]:
        complaints.write(visible(f"{name}: {remark}"))
    added = "would be added" if dry_run else "added"
    known = f"{report.known:,} already here"
    remarks = []
    if report.changed:
        remarks.append(f"{report.changed:,} of them in a new version")
    if report.updated:
        remarks.append(f"{report.updated:,} of them with other details")
    if report.restored:
        remarks.append(f"{report.restored:,} of them with missing files restored")
    if report.trashed:
        remarks.append(f"{report.trashed:,} of them in the trash")
    if remarks:
        known += f" ({', '.join(remarks)})"
    if report.deleted:
        known += f", {report.deleted:,} deleted earlier"
    out.write(f"{report.added:,} {added}, {known}, {len(report.failed):,} failed.")
    if report.trashed:
        out.write("Pictures in the trash stay there: restore them in the administration.")
    if report.deleted:
        out.write("Pictures deleted from the collection are only added again with --again.")


def print_not_applied(report: Report, out: OutputWrapper) -> None:
    """Print how many rows of the table belong to pictures that were already here."""
    if report.not_applied:
        rows = "1 row of the table is" if report.not_applied == 1 else f"{report.not_applied:,} rows of the table are"
        out.write(f"{rows} of pictures that were already here, and not applied: use --update-details.")


def print_not_read(report: Report, findings: Findings, out: OutputWrapper) -> bool:
    """Print how many files of which kinds are not read; return whether there were any, and no picture at all."""
    if line := not_read(findings.not_read):
        out.write(line)
    if not report.seen and findings.left_alone:
        out.write(
            f"Skipped: {findings.left_alone:,} files and folders that are hidden, excluded, recycle bins or "
            "previews of other programs."
        )
    return not report.seen and bool(line)
