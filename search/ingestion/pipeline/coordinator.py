"""The pipeline: items of a source in, rows out, in concurrent steps.

    list -> seen before? -> read and hash -> known? -> decode -> store the objects -> encode -> write the row
              |                               |
              +--- complete? -> done          +--- restore what is missing
              +--- deleted -> skip            +--- deleted -> skip

The thread that calls `ingest` accesses the database, in batches, and directs the other threads. Work in progress is
bounded in pictures and in bytes. The only state of a run are rows and objects, so a killed run is simply run again.
"""

import queue
import uuid
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack

from django.db import Error

from search.curation.cleaned_details import Details
from search.decoding import NoDecoder
from search.embedding import ModelUnavailable, picture_encoder, require_fit
from search.ingestion.already_ingested import (
    origin_of,
    record,
    seen_and_deleted,
    seen_before,
    seen_there_before,
    with_changed_sidecars,
)
from search.ingestion.changed_files_of_run import Changes
from search.ingestion.database_statistics import refresh_statistics
from search.ingestion.items import Item
from search.ingestion.metadata_updates import Update, sidecars_read, update_details
from search.ingestion.missing_object_repair import Known, known_rows, note_moved
from search.ingestion.pipeline.index_during_load import IndexDuringLoad
from search.ingestion.pipeline.rows import Staging, known, staging
from search.ingestion.pipeline.steps import BATCH, Event, Job, ListEnds, Pipeline, State
from search.ingestion.pipeline.stopping import stopping_in_order
from search.ingestion.report import LeftOut, Progress, Report, Why
from search.ingestion.run_recording import Record
from search.models import Revision, Trashed
from search.objects.deletion import (
    block_deletions,
    delete_pending_of,
    delete_pending_or_log,
    deleted_before,
    mark_for_deletion,
    remove_orphans,
    unblock_deletions,
)
from search.objects.disk_full import no_room
from search.objects.storage import StorageUnavailable, are_files

LOOK_UP = 4 * BATCH
"""Items per lookup of origins, which is most of a second run over the same pictures."""
ASKED_FOR = 1_000
"""Number of known, unread pictures per run whose objects are checked in a bucket: each check is a request. Local files
are always checked."""
_DELETED = "The picture was deleted from the collection earlier."
_PATIENCE = 0.1
"""Seconds without an event after which incomplete batches are passed on."""


class _Run:
    """Directs one pipeline and does its database work."""

    def __init__(
        self,
        pipeline: Pipeline,
        rows: Staging | None,
        progress: Progress,
        *,
        enqueue: bool,
        again: bool,
        updating: Sequence[str] | None,
        changes: Changes,
    ) -> None:
        """Without `rows` nothing is written. `updating` are the tags added to known pictures; None if only changed
        sidecars are applied to them."""
        self.pipeline, self.rows, self.progress, self.enqueue, self.again = pipeline, rows, progress, enqueue, again
        self.updating = updating
        self.revision = Revision(
            kind=Revision.Kind.DESCRIBE,
            door=Revision.Door.COMMAND,
            search="ingest" if updating is None else "ingest --update-details",
        )
        self.report = Report()
        self.index = IndexDuringLoad(self._announce)
        self.under_way = 0
        self.list_has_ended = False
        self.has_no_room = False
        self.checks_left = ASKED_FOR
        # Batches being filled.
        self.listed: list[Job] = []
        self.read: list[Job] = []
        self.whole: list[Job] = []
        self.done: list[Job] = []
        self.described: list[Job] = []
        # New pictures from hashing to row; and in a dry run the hashes of ids, to save memory: there may be millions.
        self.fresh: dict[uuid.UUID, Job] = {}
        self.dry_run_ids: set[int] = set()
        # Jobs whose pictures are locked against deletion.
        self.held: set[Job] = set()
        self.changes = changes

    def direct(self) -> None:
        """Process the pipeline's events until it has ended. Raises what one of its threads raised."""
        self.progress(self.report)
        while self.under_way or not (self.list_has_ended or self.pipeline.is_stopping):
            try:
                self._take(self.pipeline.events.get(timeout=_PATIENCE))
                # If all jobs are waiting in the batches, no further event will come.
                waiting = sum(map(len, (self.listed, self.read, self.whole, self.done, self.described)))
                is_idle = waiting == self.under_way and self.pipeline.events.empty()
            except queue.Empty:
                is_idle = True
            self._pass_on(is_idle=is_idle)
        self.report.stopped = self.pipeline.is_stopping
        if not self.report.stopped:
            self._write_deferred()

    def build_index(self) -> None:
        """Build the vector index if this load, or a killed one, has dropped it."""
        if self.rows and not self.enqueue and not self.report.stopped:
            self.index.finish()

    def _announce(self, doing: str) -> None:
        self.report.doing = doing
        self.progress(self.report)
        self.report.doing = ""

    def _take(self, event: Event) -> None:
        if isinstance(event, ListEnds):
            self.list_has_ended = True
            return
        if isinstance(event, BaseException):
            raise event
        match event.state:
            case State.LISTED:
                self.under_way += 1
                self.listed.append(event)
            case State.READ | State.WHOLE | State.DONE | State.DESCRIBED:
                getattr(self, event.state.name.lower()).append(event)
            case State.FAILED:
                self._note_failure(event)
                self._finish([event])
            case State.DROPPED:
                self._finish([event])
            case State.DELETED:
                self.changes.keep_deleted(event, self.rows)
                self._skip([event])

    def _note_failure(self, job: Job) -> None:
        for item in (job.item, *job.again):  # duplicates fail with it
            self.report.fail(item.name, job.failure, address=item.address, refused=job.is_refused)
        if job.image_id is None:
            self.report.unread.add(job.item.name)
        elif job.is_stored and self.rows:
            mark_for_deletion([job.image_id])  # without a vector its objects are deleted

    def _pass_on(self, *, is_idle: bool) -> None:
        if self.listed and (is_idle or len(self.listed) >= LOOK_UP):
            self._look_up()
        if self.read and (is_idle or len(self.read) >= BATCH):
            self._recognise()
        if self.whole and (is_idle or len(self.whole) >= BATCH):
            self._record_complete()
        if self.done and (is_idle or len(self.done) >= BATCH):
            self.write()
        if self.described and (is_idle or len(self.described) >= BATCH):
            self._update()

    def _look_up(self) -> None:
        """Look up listed items; read those that are new or may have lost objects."""
        listed, self.listed = self.listed, []
        seen = seen_before([job.item for job in listed], pending=self.enqueue)
        rows = known_rows({image_id for image_id in seen if image_id})
        trusted, unknown = [], []
        changed = with_changed_sidecars([job.item for job in listed])
        for job, image_id, has_changed in zip(listed, seen, changed, strict=True):
            job.has_other_sidecars = has_changed
            job.known = rows.get(image_id) if image_id else None
            if job.known is None:
                unknown.append(job)
            elif self._needs_check(job.known, job.item):
                self.pipeline.keep(job)
            else:
                trusted.append(job)
        self._handle_known(trusted)
        self._skip_deleted(unknown)

    def _skip_deleted(self, unknown: Sequence[Job]) -> None:
        """Read items that were not found and deleted before."""
        were_deleted = [False] * len(unknown)
        if unknown and not self.again:
            were_deleted = seen_and_deleted([job.item for job in unknown])
        for job, was_deleted in zip(unknown, were_deleted, strict=True):
            if not was_deleted:
                self.pipeline.read(job)
        self._skip([job for job, deleted in zip(unknown, were_deleted, strict=True) if deleted])

    def _skip(self, deleted: Sequence[Job]) -> None:
        """Skip deleted pictures."""
        if deleted:
            if self.rows:
                record(origin_of(job.item, job.image_id) for job in deleted if job.image_id)
            self.report.deleted += len(deleted)
            self._name_deleted(job.item for job in deleted)
            self._finish(deleted)
            self.progress(self.report)

    def _name_deleted(self, items: Iterable[Item]) -> None:
        for item in items:
            self.report.leave_out(LeftOut(Why.DELETED, item.name, _DELETED, item.address))

    def _needs_check(self, row: Known, item: Item) -> bool:
        if not self.rows:
            return False
        self.checks_left -= 1
        is_to_be_copied = row.original_location and not item.original_location
        return bool(is_to_be_copied) or self.checks_left >= 0 or are_files()

    def _recognise(self) -> None:
        """Add the pictures that are not in the collection, and restore those that are."""
        read, self.read = self.read, []
        ids = [job.image_id for job in read if job.image_id]
        if self.rows:
            block_deletions(ids)
            self.held.update(read)
        rows = known_rows(known(ids, pending=self.enqueue))
        unknown = [image_id for image_id in ids if image_id not in rows]
        deleted = deleted_before(unknown) if unknown else set()
        fresh, seen_again, twins, passed_over = [], [], [], []
        for job in read:
            assert job.image_id
            job.known = rows.get(job.image_id)
            twin = self.fresh.get(job.image_id)
            if job.known or hash(job.image_id) in self.dry_run_ids:
                seen_again.append(job)
            elif job.image_id in deleted and not self.again:
                passed_over.append(job)
            elif twin:
                # It counts like its twin, whatever becomes of that.
                twin.again.append(job.item)
                twins.append(job)
            else:
                self.fresh[job.image_id] = job
                fresh.append(job)
        self.changes.note_before([*fresh, *seen_again])
        self._finish(twins)
        self._skip(passed_over)
        if self.rows and self.again:
            mark_for_deletion(deleted)  # if one fails, its objects are deleted
        self._submit(fresh, seen_again)

    def _submit(self, fresh: Sequence[Job], seen_again: Sequence[Job]) -> None:
        if not self.rows:
            self._handle_known(seen_again)
        else:
            for job in seen_again:
                self.pipeline.keep(job)
            if fresh and not self.enqueue:
                picture_encoder()  # fail before anything is stored
                require_fit()
        for job in fresh:
            self.pipeline.add(job)

    def _record_complete(self) -> None:
        """Record where known pictures were found, and new locations of their originals."""
        whole, self.whole = self.whole, []
        for job in whole:
            # Those that were not read had nothing to restore.
            if job.known and job.restored:
                self.report.restored += job.restored.something
                if job.restored.moved is not None:
                    note_moved(job.known, job.restored.moved)
        read = [(job.item, job.image_id) for job in whole if job.image_id]
        there_before = seen_there_before(read)
        for job in whole:  # as in an archive that was rewritten
            if job.image_id and job.item.address in there_before:
                job.has_other_sidecars = True
        record(origin_of(*one) for one in read)
        if self.rows:
            self.changes.absorb(whole, self.rows, self._under_way(), self.report)
        self._handle_known(whole)

    def _handle_known(self, jobs: Sequence[Job]) -> None:
        """Leave known pictures as they are, or have their sidecars and details checked."""
        if self.updating is None:
            self.report.not_applied += sum(job.item.details != Details() for job in jobs)
        looked_at = [job for job in jobs if self.updating is not None or job.has_other_sidecars]
        read = sidecars_read([image_id for job in looked_at if (image_id := job.known_id)])
        for job in looked_at:
            job.sidecars_before = read.get(job.known_id) if job.known_id else None
            self.pipeline.describe(job)
        if others := [job for job in jobs if job not in looked_at]:
            self._count_known(others)

    def _update(self) -> None:
        described, self.described = self.described, []
        updates = [
            Update(image_id, Details() if self.updating is None else job.item.details, job.changed_sidecars)
            for job in described
            if (image_id := job.known_id)
        ]
        self.report.updated += update_details(
            updates, self.updating or (), revision=self.revision if self.rows else None
        )
        if self.rows:
            seen = [(one.item, image_id) for one in described if one.has_other_sidecars and (image_id := one.known_id)]
            record(origin_of(*one) for one in seen)
        self._count_known(described)

    def _count_known(self, jobs: Sequence[Job]) -> None:
        self.report.known += len(jobs)
        ids = [image_id for job in jobs if (image_id := job.known_id)]
        self.report.trashed += Trashed.objects.filter(image__pk__any_of=ids).count()
        self._finish(jobs)
        self.progress(self.report)

    def write(self) -> None:
        """Write the rows of finished jobs."""
        if self.rows:
            self.changes.note_moved([job for job in self.done if not job.changed], self._under_way())
        changed = [job for job in self.done if job.changed]
        done, self.done = [job for job in self.done if not job.changed], []
        if self.rows:
            images = [job.image for job in done if job.image]
            origins = [origin for job in done for origin in job.origins]
            if not self.enqueue:
                self.index.rows_come(len(images))
            new, deleted = self.rows.write(images, origins, again=self.again)
            added = len(new)
        else:
            added, deleted = len(done), set()
            self.dry_run_ids.update(hash(job.image_id) for job in done)
        left_out = [item for job in done if job.image_id in deleted for item in (job.item, *job.again)]
        self._name_deleted(left_out)
        self.report.added += added
        self.report.deleted += len(left_out)
        self.report.known += sum(1 + len(job.again) for job in done) - added - len(left_out)
        self._finish(done)
        self._change(changed)
        self.progress(self.report)

    def _change(self, changed: Sequence[Job]) -> None:
        """Write new versions, or defer them."""
        deferred = self.changes.defer(changed) if self.rows else []
        for job in deferred:
            # It left the pipeline; its objects stay locked until it is written.
            self.under_way -= 1
            self.pipeline.finish(job)
        now = [job for job in changed if job not in deferred]
        self._write_changes(now)
        self._finish(now)
        if self.changes.has_many_deferred:
            self._write_deferred()

    def _write_deferred(self) -> None:
        waiting = self.changes.take_deferred()
        self._write_changes(waiting)
        self._end(waiting)

    def _write_changes(self, jobs: Sequence[Job]) -> None:
        under_way = self._under_way() if jobs else set()
        for job in jobs:
            self.changes.write(job, self.rows, under_way, self.report)

    def _under_way(self) -> set[uuid.UUID]:
        """Return the pictures found in this run and not written yet."""
        return {job.image_id for job in self.held if job.image_id}

    def _finish(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.under_way -= 1
            self.pipeline.finish(job)
        self._end(jobs)

    def _end(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.image_id and self.fresh.get(job.image_id) is job:
                del self.fresh[job.image_id]
        self._let_go(self.held.intersection(jobs))

    def _let_go(self, held: Collection[Job]) -> None:
        if held:
            ids = [job.image_id for job in held if job.image_id]
            unblock_deletions(ids)
            self.held.difference_update(held)
            # Duplicates of one picture each hold a lock.
            delete_pending_of(set(ids).difference(job.image_id for job in self.held if job.image_id))

    def abort(self) -> None:
        """Release everything that the run holds."""
        have_ended = self.pipeline.close()
        self.changes.discard_deferred()
        if have_ended:
            self._let_go(self.held.copy())
            if self.has_no_room:
                remove_orphans(self.fresh.keys())
        else:  # a thread may still store something: the next deletion run removes it
            unblock_deletions([job.image_id for job in self.held if job.image_id])
        if self.rows:
            self.index.let_go()


def ingest(
    source: Iterable[Item],
    *,
    tags: Sequence[str] = (),
    dry_run: bool = False,
    enqueue: bool = False,
    again: bool = False,
    captions: bool = True,
    update: bool = False,
    progress: Progress = lambda report: None,
    record: Record | None = None,
) -> Report:
    """Add the pictures of `source`, each with its details and `tags`; return the report.

    An unreadable picture is reported and stops nothing. One deleted earlier is skipped, unless `again` is set. Without
    `captions` only camera metadata is used from files and sidecars. With `dry_run` everything is checked and nothing
    written. With `enqueue` no model is needed: objects and rows are written with pending vectors. With `update`
    details, `tags` and sidecars are also applied to known pictures.

    Ctrl-C or SIGTERM ends the run once pictures in progress are written. The source is iterated in another thread, and
    items are read in several. The outcome is recorded in `record`, which the caller begins and ends, or in a new
    record.

    Raises ModelUnavailable, StorageUnavailable and NoDecoder; running it again continues.
    """
    with ExitStack() as stack:
        if not dry_run:
            progress = (record or stack.enter_context(Record())).noting(progress)
        rows = None if dry_run else stack.enter_context(staging())
        pipeline = Pipeline(source, tags, dry=dry_run, enqueue=enqueue, captions=captions)
        changes = Changes(again=again, captions=captions, tags=tags)
        updating = tags if update else None
        run = _Run(pipeline, rows, progress, enqueue=enqueue, again=again, updating=updating, changes=changes)
        stack.callback(run.abort)
        try:
            with stopping_in_order(run.pipeline.stop):
                run.direct()
        except (ModelUnavailable, StorageUnavailable, NoDecoder, Error) as error:
            run.has_no_room = bool(no_room(error))
            if run.done and not isinstance(error, Error):
                run.write()
            raise
        run.build_index()
    if not dry_run:
        if run.report.changed:
            delete_pending_or_log()  # deletions that were blocked during the run
        refresh_statistics(run.report.added)
    return run.report
