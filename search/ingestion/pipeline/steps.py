"""The steps of the pipeline outside the database, each in its own threads."""

import queue
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TypeAlias

from imagesearch.memory_and_cores import core_count
from search.curation.metadata_import import Written
from search.imaging import Reason, UnreadableImage, memory_guarded
from search.ingestion.adding import Prepared, embed, prepare, window_for_models
from search.ingestion.already_ingested import origin_of
from search.ingestion.changed_file_comparison import Before, Change, change_of
from search.ingestion.items import Item, Unavailable
from search.ingestion.metadata_updates import ChangedSidecars, changed_sidecars
from search.ingestion.missing_object_repair import Known, Restored, is_whole, restore
from search.ingestion.pipeline.stage_threads import Allowance, Stage
from search.models import Image, Origin
from search.models.active_pair import one_choice
from search.models.image import content_id
from search.models.vector_values import WrongVectors

BATCH = 32
"""Pictures encoded together."""
UNDER_WAY = 16 * BATCH
"""Maximum number of items in progress."""
FILE_BYTES = PICTURE_BYTES = 128 * 1024 * 1024
"""Maximum bytes of files, and of decoded pictures, waiting for the next step."""
READERS, STORERS = 16, 16
"""Threads that wait for disks and networks."""
_JOIN_TIMEOUT = 2.0
"""Seconds to wait for each thread when the run is aborted."""


class State(Enum):
    LISTED = auto()
    READ = auto()
    WHOLE = auto()
    DONE = auto()
    FAILED = auto()
    DROPPED = auto()
    DELETED = auto()
    DESCRIBED = auto()


@dataclass(slots=True, eq=False)
class Job:
    """A picture in the pipeline.

    `again` are items with the same bytes found meanwhile. `known` is the existing row, if any, and `restored` which of
    its objects were restored. `before` is the picture known at its address, and `changed` the comparison with it.
    `changed_sidecars` is the metadata of its sidecars, unless their hash is still `sidecars_before`;
    `has_other_sidecars` if these may have changed. `is_refused` if the `failure` is about its bytes.
    """

    item: Item
    state: State = State.LISTED
    image_id: uuid.UUID | None = None
    known: Known | None = None
    restored: Restored | None = None
    before: Before | None = None
    changed: Change | None = None
    sidecars_before: uuid.UUID | None = None
    has_other_sidecars: bool = False
    changed_sidecars: ChangedSidecars | None = None
    data: bytes = field(default=b"", repr=False)
    sidecars: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    prepared: Prepared | None = None
    picture_bytes: int = 0
    image: Image | None = None
    failure: str = ""
    is_refused: bool = False
    is_stored: bool = False
    again: list[Item] = field(default_factory=list)

    @property
    def known_id(self) -> uuid.UUID | None:
        """The id of the picture in the collection, if it is known."""
        return self.known.image_id if self.known else self.image_id

    @property
    def origins(self) -> list[Origin]:
        """The rows that record where it was found."""
        if self.image_id is None:
            return []
        found = (origin_of(item, self.image_id) for item in (self.item, *self.again))
        return [origin for origin in found if origin]


class ListEnds:
    """The source has no more items."""


Event: TypeAlias = Job | ListEnds | BaseException


class Pipeline:
    """The stages. Finished and failed jobs are put into `events`.

    A job belongs to one thread at a time, which passes it on and does not touch it again.
    """

    def __init__(
        self, source: Iterable[Item], tags: Sequence[str], *, dry: bool, enqueue: bool, captions: bool = True
    ) -> None:
        """Start the threads. With `dry`, pictures are only decoded, with `enqueue` only decoded and stored. Without
        `captions`, text that people wrote in the files or sidecars is ignored."""
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.is_stopping = False
        self._source, self._tags, self._dry, self._enqueue = source, tags, dry, enqueue
        self._captions = captions
        self._room = threading.Semaphore(UNDER_WAY)
        self._file_bytes, self._picture_bytes = Allowance(FILE_BYTES), Allowance(PICTURE_BYTES)
        self._expected_bytes = FILE_BYTES // 2
        self._stages: list[Stage[Job]] = []
        self._encoding = self._stage("encode", self._encode, threads=1, at_once=BATCH)
        self._storing = self._stage("store", self._alone(self._store), threads=STORERS)
        self._decoding = self._stage("decode", self._alone(self._decode), threads=max(2, core_count()))
        self._reading = self._stage("read", self._alone(self._read), threads=READERS)
        self._keeping = self._stage("keep", self._alone(self._keep), threads=STORERS)
        self._describing = self._stage("describe", self._alone(self._describe), threads=READERS)
        # Not a stage: a source that waits for items, as a watched folder does, can't be ended.
        threading.Thread(target=self._list, name="ingest-list", daemon=True).start()

    def _stage(self, name: str, work: Callable[[list[Job]], None], *, threads: int, at_once: int = 1) -> Stage[Job]:
        stage = Stage(name, work, threads=threads, failed=self.events.put, at_once=at_once)
        self._stages.append(stage)
        return stage

    def read(self, job: Job) -> None:
        """Read and hash the picture; it becomes READ."""
        self._reading.submit(job)

    def add(self, job: Job) -> None:
        """Decode, store and encode the picture, as far as requested; it becomes DONE."""
        self._decoding.submit(job)

    def keep(self, job: Job) -> None:
        """Check a known picture for missing objects and restore them; it becomes WHOLE.

        One that was not read yet becomes READ if something is missing.
        """
        self._keeping.submit(job)

    def describe(self, job: Job) -> None:
        """Check whether the sidecars of a known picture have changed; it becomes DESCRIBED."""
        self._describing.submit(job)

    def finish(self, job: Job) -> None:
        """Release the resources of a finished `job`."""
        self._release_file(job)
        self._room.release()

    def stop(self) -> None:
        """Accept nothing more: decoded pictures are finished, all others become DROPPED.

        Safe in a signal handler: takes no lock, since the interrupted thread may hold it.
        """
        self.is_stopping = True

    def close(self) -> bool:
        """Abort: threads end after their current job. Return whether all have ended."""
        self.stop()
        self._room.release()  # for the listing thread
        for allowance in (self._file_bytes, self._picture_bytes):
            allowance.end()
        for stage in self._stages:
            stage.end()
        have_ended = [stage.join(_JOIN_TIMEOUT) for stage in self._stages]
        return all(have_ended)

    # The following runs in the threads.

    def _list(self) -> None:
        try:
            for item in self._source:
                self._room.acquire()
                if self.is_stopping:
                    return
                self.events.put(Job(item))
            self.events.put(ListEnds())
        except BaseException as error:
            self.events.put(error)

    def _ends(self, job: Job, state: State, failure: str = "") -> None:
        job.state, job.failure = state, failure
        self.events.put(job)

    def _alone(self, work: Callable[[Job], None]) -> Callable[[list[Job]], None]:
        """Wrap `work` for a stage: if memory does not suffice for a picture, only that one fails."""

        def work_alone(jobs: list[Job]) -> None:
            (job,) = jobs
            try:
                with memory_guarded():
                    work(job)
            except UnreadableImage as error:
                job.is_refused = error.code is not Reason.NO_MEMORY
                self._fails(job, str(error))

        return work_alone

    def _fails(self, job: Job, reason: str) -> None:
        self._release_picture(job)
        self._ends(job, State.FAILED, reason)

    def _read(self, job: Job) -> None:
        if self.is_stopping:
            return self._ends(job, State.DROPPED)
        # Estimate unknown sizes by recent files; at first two pictures may fill the allowance.
        expected = job.item.size or self._expected_bytes
        self._file_bytes.take(expected)
        try:
            data = job.item.read()
        except (Unavailable, OSError, MemoryError) as error:
            self._file_bytes.give_back(expected)
            if isinstance(error, MemoryError):
                raise
            reason = error.strerror if isinstance(error, OSError) else ""
            return self._ends(job, State.FAILED, reason or str(error))
        self._file_bytes.give_back(expected - len(data))
        self._expected_bytes = max(len(data), self._expected_bytes * 7 // 8)
        job.data, job.image_id = data, content_id(data)
        job.sidecars = job.item.sidecars()
        return self._ends(job, State.READ)

    def _keep(self, job: Job) -> None:
        if self.is_stopping:
            return self._ends(job, State.DROPPED)
        assert job.known
        location = job.item.original_location
        if job.data:
            job.restored = restore(job.known, job.data, location)
        elif not is_whole(job.known, location):
            return self._reading.submit(job)
        return self._ends(job, State.WHOLE)

    def _describe(self, job: Job) -> None:
        if self._captions and not self.is_stopping:
            job.changed_sidecars = changed_sidecars(job.item, job.sidecars_before)
        return self._ends(job, State.DESCRIBED)

    def _decode(self, job: Job) -> None:
        if self.is_stopping:
            return self._ends(job, State.DROPPED)
        assert job.image_id
        is_to_be_seen = not (self._dry or self._enqueue)
        written = self._written(job)
        with one_choice():  # encode with the models that it was decoded for
            # Cropped by the many decoder processes rather than by the one that encodes.
            window = window_for_models() if is_to_be_seen else None
            job.prepared = prepare(
                job.data,
                job.item.details,
                image_id=job.image_id,
                location=job.item.original_location,
                window=window,
                with_picture=is_to_be_seen,
                written=written,
                tags=self._tags,
            )
        if job.before:
            image, details = job.prepared.image, job.item.details
            job.changed = change_of(job.before, image, details, self._tags, written, window)
            if job.before.is_deleted and job.changed.is_same_picture:
                job.prepared = None
                return self._ends(job, State.DELETED)
        if self._dry:
            return self._ends(job, State.DONE)
        needed = _picture_bytes(job.prepared)
        self._picture_bytes.take(needed)
        job.picture_bytes = needed
        return self._storing.submit(job)

    def _written(self, job: Job) -> Written:
        sidecars, job.sidecars = job.sidecars, {}
        item = job.item
        # The name of an item without an address may be arbitrary.
        return Written(item.name if item.address else "", item.changed, sidecars, self._captions)

    def _store(self, job: Job) -> None:
        assert job.prepared
        job.is_stored = True
        job.prepared.store()
        job.prepared = replace(job.prepared, original=b"", thumbnail=b"")
        self._release_file(job)
        if self._enqueue or (job.changed and job.changed.keeps_vector):
            self._done(job)
        else:
            self._encoding.submit(job)

    def _encode(self, jobs: list[Job]) -> None:
        try:
            embed([job.prepared for job in jobs if job.prepared])
        except (WrongVectors, MemoryError) as error:
            if len(jobs) > 1:  # retry each alone: one of them may be the cause
                for job in jobs:
                    self._encode([job])
            else:
                no_memory = isinstance(error, MemoryError)
                self._fails(jobs[0], str(UnreadableImage(Reason.NO_MEMORY) if no_memory else error))
            return
        for job in jobs:
            self._done(job)

    def _done(self, job: Job) -> None:
        assert job.prepared
        job.image = job.prepared.image
        self._release_picture(job)
        self._ends(job, State.DONE)

    def _release_picture(self, job: Job) -> None:
        job.prepared = None
        needed, job.picture_bytes = job.picture_bytes, 0
        self._picture_bytes.give_back(needed)

    def _release_file(self, job: Job) -> None:
        size, job.data = len(job.data), b""
        self._file_bytes.give_back(size)


def _picture_bytes(prepared: Prepared) -> int:
    if prepared.seen is None:
        return 0
    # Pillow stores RGB in four bytes per pixel.
    return sum(4 * picture.width * picture.height for picture in prepared.seen.pictures)
