"""What happens to a picture on its way in, outside the database: each step in threads of its own."""

import queue
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TypeAlias

from imagesearch.machine import core_count
from search.curation.captures import Written
from search.imaging import Reason, UnreadableImage, memory_guarded
from search.ingestion.adding import Prepared, embed, prepare, window_for_models
from search.ingestion.items import Item, Unavailable
from search.ingestion.met_before import origin_of
from search.ingestion.pipeline.stages import Allowance, Stage
from search.ingestion.repair import Known, Restored, is_whole, restore
from search.ingestion.updating import Beside, read_beside
from search.ingestion.versions import Before, Change, change_of
from search.models import Image, Origin
from search.models.active_pair import one_choice
from search.models.image import content_id
from search.models.vector_values import WrongVectors

BATCH = 32
"""Pictures that are encoded together."""
UNDER_WAY = 16 * BATCH
"""Items that are under way at most."""
FILE_BYTES = PICTURE_BYTES = 128 * 1024 * 1024
"""Bytes of files, and of decoded pictures, that wait for the next step at most."""
READERS, STORERS = 16, 16
"""Threads that wait for disks and networks."""
_LAST_WORDS = 2.0
"""Seconds that a thread gets to finish when the run breaks off."""


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
    """A picture on its way. `again` are the items met meanwhile that turned out to be the same bytes, and `known` is
    the row where there is one, with what was `restored` of its objects. `before` is what was met at its address before
    it, with what has `changed`. `beside` is what its sidecars say, if not what they said when they had the hash
    `sidecars_before`; it `has_other_sidecars` where these may have changed since. `is_refused` where its bytes are
    what the `failure` is about."""

    item: Item
    state: State = State.LISTED
    image_id: uuid.UUID | None = None
    known: Known | None = None
    restored: Restored | None = None
    before: Before | None = None
    changed: Change | None = None
    sidecars_before: uuid.UUID | None = None
    has_other_sidecars: bool = False
    beside: Beside | None = None
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
        """Which picture of the collection it is, if it is one."""
        return self.known.image_id if self.known else self.image_id

    @property
    def origins(self) -> list[Origin]:
        """Where it was met, as that is written down."""
        if self.image_id is None:
            return []
        found = (origin_of(item, self.image_id) for item in (self.item, *self.again))
        return [origin for origin in found if origin]


class ListEnds:
    """The source has offered all it has."""


Event: TypeAlias = Job | ListEnds | BaseException


class Pipeline:
    """The stages. What has come through some of them, or failed, is put into `events`.

    A job belongs to one thread at a time, which hands it on and touches it no more.
    """

    def __init__(
        self, source: Iterable[Item], tags: Sequence[str], *, dry: bool, enqueue: bool, captions: bool = True
    ) -> None:
        """Start the threads. With `dry` pictures go no further than decoded, with `enqueue` no further than stored.
        Without `captions` nothing is taken that somebody has written in the files, or beside them."""
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
        # Not a stage: nothing ends a source that waits for something to offer, as one that watches a folder does.
        threading.Thread(target=self._list, name="ingest-list", daemon=True).start()

    def _stage(self, name: str, work: Callable[[list[Job]], None], *, threads: int, at_once: int = 1) -> Stage[Job]:
        stage = Stage(name, work, threads=threads, failed=self.events.put, at_once=at_once)
        self._stages.append(stage)
        return stage

    def read(self, job: Job) -> None:
        """Have the picture read and hashed, which makes it READ."""
        self._reading.submit(job)

    def add(self, job: Job) -> None:
        """Have the picture decoded, stored and encoded, as far as is wanted, which makes it DONE."""
        self._decoding.submit(job)

    def keep(self, job: Job) -> None:
        """Have looked whether anything is missing of a known picture, and restored if so, which makes it WHOLE.

        One that was not read before is READ where something is missing.
        """
        self._keeping.submit(job)

    def describe(self, job: Job) -> None:
        """Have looked whether what lies beside a known picture has changed, which makes it DESCRIBED."""
        self._describing.submit(job)

    def finish(self, job: Job) -> None:
        """Make room for another in place of `job`, which has come to its end."""
        self._forget_file(job)
        self._room.release()

    def stop(self) -> None:
        """Let nothing more in: what is decoded goes on to its end, all else is DROPPED.

        A signal's handler may call this: it takes no lock, which the thread that it interrupts may hold.
        """
        self.is_stopping = True

    def close(self) -> bool:
        """Break off: threads end with what they are at. Return whether all have."""
        self.stop()
        self._room.release()  # for the one that lists
        for allowance in (self._file_bytes, self._picture_bytes):
            allowance.end()
        for stage in self._stages:
            stage.end()
        have_ended = [stage.join(_LAST_WORDS) for stage in self._stages]
        return all(have_ended)

    # What follows runs in the threads.

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
        """Return `work` for a stage: a picture for which the memory does not suffice fails, and no other."""

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
        self._let_picture_go(job)
        self._ends(job, State.FAILED, reason)

    def _read(self, job: Job) -> None:
        if self.is_stopping:
            return self._ends(job, State.DROPPED)
        # Where nobody knows how large a file is: as large as those before it, and at first as two of the largest.
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
            job.beside = read_beside(job.item, job.sidecars_before)
        return self._ends(job, State.DESCRIBED)

    def _decode(self, job: Job) -> None:
        if self.is_stopping:
            return self._ends(job, State.DROPPED)
        assert job.image_id
        is_to_be_seen = not (self._dry or self._enqueue)
        written = self._written(job)
        with one_choice():  # it is encoded by the models that it is decoded for
            # Cut by the many processes that decode, and not in the one that encodes.
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
        # Of what has an address, as of files, archives and buckets: a name is no more than a name elsewhere.
        return Written(item.name if item.address else "", item.changed, sidecars, self._captions)

    def _store(self, job: Job) -> None:
        assert job.prepared
        job.is_stored = True
        job.prepared.store()
        job.prepared = replace(job.prepared, original=b"", thumbnail=b"")
        self._forget_file(job)
        if self._enqueue or (job.changed and job.changed.keeps_vector):
            self._done(job)
        else:
            self._encoding.submit(job)

    def _encode(self, jobs: list[Job]) -> None:
        try:
            embed([job.prepared for job in jobs if job.prepared])
        except (WrongVectors, MemoryError) as error:
            if len(jobs) > 1:  # each alone, since it may be the fault of one of them
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
        self._let_picture_go(job)
        self._ends(job, State.DONE)

    def _let_picture_go(self, job: Job) -> None:
        job.prepared = None
        needed, job.picture_bytes = job.picture_bytes, 0
        self._picture_bytes.give_back(needed)

    def _forget_file(self, job: Job) -> None:
        size, job.data = len(job.data), b""
        self._file_bytes.give_back(size)


def _picture_bytes(prepared: Prepared) -> int:
    if prepared.seen is None:
        return 0
    # Pillow keeps RGB in four bytes.
    return sum(4 * picture.width * picture.height for picture in prepared.seen.pictures)
