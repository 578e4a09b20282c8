"""New versions of files within one run: found, deferred until they can be decided, written, counted."""

import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from django.db import Error

from search.curation.metadata_import import Written
from search.ingestion.pipeline.rows import Staging
from search.ingestion.pipeline.steps import Job
from search.ingestion.report import Report
from search.ingestion.sources.still_there import ExistenceCheck
from search.ingestion.version_rows import Outcome, Version, VersionWriter, stays_deleted
from search.ingestion.versions import change_of, moved_with_pixels, previous_versions
from search.models import Capture
from search.objects.deletion import delete_pending_in_background, mark_for_deletion

MOST_DEFERRED = 5_000
"""Limit of deferred new versions that show another picture than the one before. After a chain of renames each file has
the address of another one, which is only resolved when all were seen. Beyond this limit they are written at once: each
takes some 8 kB of memory."""
_OVERTAKEN = "Another process was changing this picture at the same time: run the same command again."


class Changes:
    """New versions found during a run. Without `rows`, as in a dry run, nothing is written."""

    def __init__(self, *, again: bool, captions: bool = True, tags: Sequence[str] = ()) -> None:
        self._again, self._captions, self._tags = again, captions, tags
        self._writer: VersionWriter | None = None
        self._deferred: list[Job] = []

    def note_before(self, read: Sequence[Job]) -> None:
        """Set `job.before` to the picture known at the same address with other bytes."""
        before = previous_versions((one.item, one.image_id) for one in read if one.image_id)
        for job in read:
            found = before.get(job.item.address)
            if found and not (found.is_deleted and self._again):
                job.before = found

    def note_moved(self, fresh: Sequence[Job], under_way: Collection[uuid.UUID]) -> None:
        """Mark new pictures that are versions of a moved file which was rated or tagged since."""
        of_pixels = {
            job.image.of_file.pixels: job
            for job in fresh
            if job.image and job.image.of_file and job.image.of_file.pixels and job.item.address
        }
        ids = {pixels: job.image_id for pixels, job in of_pixels.items() if job.image_id}
        moved = moved_with_pixels(ids, ExistenceCheck()) if ids else {}
        for job in of_pixels.values():
            before = moved.get(job.image_id) if job.image_id else None
            if before and before.image_id not in under_way and job.image:
                item = job.item
                written = Written(item.name, item.changed, item.sidecars(), self._captions)
                job.before = before
                job.changed = change_of(before, job.image, item.details, self._tags, written, None)

    def defer(self, changed: Sequence[Job]) -> list[Job]:
        """Defer the jobs that may be other pictures at a known address until the end of the run; return them."""
        others = [job for job in changed if job.changed and not job.changed.is_same_picture]
        self._deferred += others
        return others

    @property
    def has_many_deferred(self) -> bool:
        return len(self._deferred) > MOST_DEFERRED

    def take_deferred(self) -> list[Job]:
        """Return the deferred jobs; first those that turned out to be versions of a picture from another address."""
        waiting, self._deferred = self._deferred, []
        changes = [job.changed for job in waiting if job.changed]
        befores = [change.before for change in changes if change.before.pixels]
        of_pixels = {before.pixels: before for before in befores}
        for job in waiting:
            if job.changed and (before := of_pixels.get(job.changed.of_file.pixels)):
                # What the file contained before the move is unknown here.
                job.changed = replace(job.changed, before=before, is_same_picture=True, said_before=None)
        return sorted(waiting, key=lambda job: not (job.changed and job.changed.is_same_picture))

    def discard_deferred(self) -> None:
        """Schedule the deletion of the deferred jobs' objects: the next run reads them again."""
        with suppress(Error):
            mark_for_deletion([job.image_id for job in self._deferred if job.image_id])

    def keep_deleted(self, job: Job, rows: Staging | None) -> None:
        """Keep a deleted picture deleted: its file was only rated or tagged since."""
        if rows and job.changed and job.image_id:
            stays_deleted(job.image_id, job.changed.of_file.pixels, job.origins)

    def write(self, job: Job, rows: Staging | None, under_way: Collection[uuid.UUID], report: Report) -> Outcome:
        """Write a new version and count it."""
        outcome = Outcome.CHANGED
        if rows:
            assert job.image
            assert job.changed
            version = Version(job.image, job.changed, job.item.address, job.origins)
            outcome = self._of(rows).write(version, under_way)
            if outcome is Outcome.CHANGED:
                delete_pending_in_background()
        self._count(outcome, job, report)
        return outcome

    def absorb(self, known: Sequence[Job], rows: Staging, under_way: Collection[uuid.UUID], report: Report) -> None:
        """Let known pictures replace those that they are new versions of."""
        changed = [job for job in known if job.before]
        if not changed:
            return
        captured = Capture.objects.filter(pk__in=[one.image_id for one in changed if one.image_id])
        pixels = dict(captured.values_list("pk", "pixels"))
        for job in changed:
            assert job.before
            assert job.image_id
            found, address = pixels.get(job.image_id), job.item.address
            if self._of(rows).absorb(job.image_id, found, job.before, address, under_way):
                report.changed += 1
                delete_pending_in_background()

    def _of(self, rows: Staging) -> VersionWriter:
        self._writer = self._writer or VersionWriter(rows, again=self._again)
        return self._writer

    def _count(self, outcome: Outcome, job: Job, report: Report) -> None:
        count = 1 + len(job.again)
        match outcome:
            case Outcome.CHANGED:
                report.changed, report.known = report.changed + 1, report.known + count
            case Outcome.ADDED:
                report.added, report.known = report.added + 1, report.known + count - 1
            case Outcome.KNOWN:
                report.known += count
            case Outcome.DELETED:
                report.deleted += count
            case Outcome.OVERTAKEN:
                for item in (job.item, *job.again):
                    report.fail(item.name, _OVERTAKEN, address=item.address)
                if job.image_id:
                    mark_for_deletion([job.image_id])
