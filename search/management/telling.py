"""What `ingest` tells of a run at its end."""

from collections.abc import Iterable

from django.core.management.base import OutputWrapper

from search.ingestion import Report


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
    if report.restored:
        known += f" ({report.restored:,} of them with files that were missing and are back)"
    out.write(f"{report.added:,} {added}, {known}, {len(report.failed):,} failed.")
