"""What happens to a picture on its way in, outside the database: each step in threads of its own."""

import queue
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TypeAlias

from imagesearch.machine import core_count
from search.imaging import Reason, UnreadableImage, memory_guarded
from search.indexing.chosen import one_choice
from search.ingestion.adding import Prepared, embed, prepare, window_for_models
from search.ingestion.captures import Written
from search.ingestion.items import Item, Unavailable
from search.ingestion.ledger import origin_of
from search.ingestion.restoring import Known, Restored, is_whole, restore
from search.ingestion.stages import Allowance, Stage
from search.ingestion.updating import Beside, read_beside
from search.ingestion.versions import Before, Change, change_of
from search.models import Image, Origin
from search.models.image import content_id
from search.vectors import WrongVectors

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
class Passage:
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


Event: TypeAlias = Passage | ListEnds | BaseException


class Line:
    """The stages. What has come through some of them, or failed, is put into `events`.

    A passage belongs to one thread at a time, which hands it on and touches it no more.
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
        self._stages: list[Stage[Passage]] = []
        self._encoding = self._stage("encode", self._encode, threads=1, at_once=BATCH)
        self._storing = self._stage("store", self._alone(self._store), threads=STORERS)
        self._decoding = self._stage("decode", self._alone(self._decode), threads=max(2, core_count()))
        self._reading = self._stage("read", self._alone(self._read), threads=READERS)
        self._keeping = self._stage("keep", self._alone(self._keep), threads=STORERS)
        self._describing = self._stage("describe", self._alone(self._describe), threads=READERS)
        # Not a stage: nothing ends a source that waits for something to offer, as one that watches a folder does.
        threading.Thread(target=self._list, name="ingest-list", daemon=True).start()

    def _stage(
        self, name: str, work: Callable[[list[Passage]], None], *, threads: int, at_once: int = 1
    ) -> Stage[Passage]:
        stage = Stage(name, work, threads=threads, failed=self.events.put, at_once=at_once)
        self._stages.append(stage)
        return stage

    def read(self, passage: Passage) -> None:
        """Have the picture read and hashed, which makes it READ."""
        self._reading.submit(passage)

    def add(self, passage: Passage) -> None:
        """Have the picture decoded, stored and encoded, as far as is wanted, which makes it DONE."""
        self._decoding.submit(passage)

    def keep(self, passage: Passage) -> None:
        """Have looked whether anything is missing of a known picture, and restored if so, which makes it WHOLE.

        One that was not read before is READ where something is missing.
        """
        self._keeping.submit(passage)

    def describe(self, passage: Passage) -> None:
        """Have looked whether what lies beside a known picture has changed, which makes it DESCRIBED."""
        self._describing.submit(passage)

    def finish(self, passage: Passage) -> None:
        """Make room for another in place of `passage`, which has come to its end."""
        self._forget_file(passage)
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
                self.events.put(Passage(item))
            self.events.put(ListEnds())
        except BaseException as error:
            self.events.put(error)

    def _ends(self, passage: Passage, state: State, failure: str = "") -> None:
        passage.state, passage.failure = state, failure
        self.events.put(passage)

    def _alone(self, work: Callable[[Passage], None]) -> Callable[[list[Passage]], None]:
        """Return `work` for a stage: a picture for which the memory does not suffice fails, and no other."""

        def work_alone(passages: list[Passage]) -> None:
            (passage,) = passages
            try:
                with memory_guarded():
                    work(passage)
            except UnreadableImage as error:
                passage.is_refused = error.code is not Reason.NO_MEMORY
                self._fails(passage, str(error))

        return work_alone

    def _fails(self, passage: Passage, reason: str) -> None:
        self._let_picture_go(passage)
        self._ends(passage, State.FAILED, reason)

    def _read(self, passage: Passage) -> None:
        if self.is_stopping:
            return self._ends(passage, State.DROPPED)
        # Where nobody knows how large a file is: as large as those before it, and at first as two of the largest.
        expected = passage.item.size or self._expected_bytes
        self._file_bytes.take(expected)
        try:
            data = passage.item.read()
        except (Unavailable, OSError, MemoryError) as error:
            self._file_bytes.give_back(expected)
            if isinstance(error, MemoryError):
                raise
            reason = error.strerror if isinstance(error, OSError) else ""
            return self._ends(passage, State.FAILED, reason or str(error))
        self._file_bytes.give_back(expected - len(data))
        self._expected_bytes = max(len(data), self._expected_bytes * 7 // 8)
        passage.data, passage.image_id = data, content_id(data)
        passage.sidecars = passage.item.sidecars()
        return self._ends(passage, State.READ)

    def _keep(self, passage: Passage) -> None:
        if self.is_stopping:
            return self._ends(passage, State.DROPPED)
        assert passage.known
        location = passage.item.original_location
        if passage.data:
            passage.restored = restore(passage.known, passage.data, location)
        elif not is_whole(passage.known, location):
            return self._reading.submit(passage)
        return self._ends(passage, State.WHOLE)

    def _describe(self, passage: Passage) -> None:
        if self._captions and not self.is_stopping:
            passage.beside = read_beside(passage.item, passage.sidecars_before)
        return self._ends(passage, State.DESCRIBED)

    def _decode(self, passage: Passage) -> None:
        if self.is_stopping:
            return self._ends(passage, State.DROPPED)
        assert passage.image_id
        is_to_be_seen = not (self._dry or self._enqueue)
        written = self._written(passage)
        with one_choice():  # it is encoded by the models that it is decoded for
            # Cut by the many processes that decode, and not in the one that encodes.
            window = window_for_models() if is_to_be_seen else None
            passage.prepared = prepare(
                passage.data,
                passage.item.details,
                image_id=passage.image_id,
                location=passage.item.original_location,
                window=window,
                with_picture=is_to_be_seen,
                written=written,
                tags=self._tags,
            )
        if passage.before:
            image, details = passage.prepared.image, passage.item.details
            passage.changed = change_of(passage.before, image, details, self._tags, written, window)
            if passage.before.is_deleted and passage.changed.is_same_picture:
                passage.prepared = None
                return self._ends(passage, State.DELETED)
        if self._dry:
            return self._ends(passage, State.DONE)
        needed = _picture_bytes(passage.prepared)
        self._picture_bytes.take(needed)
        passage.picture_bytes = needed
        return self._storing.submit(passage)

    def _written(self, passage: Passage) -> Written:
        sidecars, passage.sidecars = passage.sidecars, {}
        item = passage.item
        # Of what has an address, as of files, archives and buckets: a name is no more than a name elsewhere.
        return Written(item.name if item.address else "", item.changed, sidecars, self._captions)

    def _store(self, passage: Passage) -> None:
        assert passage.prepared
        passage.is_stored = True
        passage.prepared.store()
        passage.prepared = replace(passage.prepared, original=b"", thumbnail=b"")
        self._forget_file(passage)
        if self._enqueue or (passage.changed and passage.changed.keeps_vector):
            self._done(passage)
        else:
            self._encoding.submit(passage)

    def _encode(self, passages: list[Passage]) -> None:
        try:
            embed([passage.prepared for passage in passages if passage.prepared])
        except (WrongVectors, MemoryError) as error:
            if len(passages) > 1:  # each alone, since it may be the fault of one of them
                for passage in passages:
                    self._encode([passage])
            else:
                no_memory = isinstance(error, MemoryError)
                self._fails(passages[0], str(UnreadableImage(Reason.NO_MEMORY) if no_memory else error))
            return
        for passage in passages:
            self._done(passage)

    def _done(self, passage: Passage) -> None:
        assert passage.prepared
        passage.image = passage.prepared.image
        self._let_picture_go(passage)
        self._ends(passage, State.DONE)

    def _let_picture_go(self, passage: Passage) -> None:
        passage.prepared = None
        needed, passage.picture_bytes = passage.picture_bytes, 0
        self._picture_bytes.give_back(needed)

    def _forget_file(self, passage: Passage) -> None:
        size, passage.data = len(passage.data), b""
        self._file_bytes.give_back(size)


def _picture_bytes(prepared: Prepared) -> int:
    if prepared.seen is None:
        return 0
    # Pillow keeps RGB in four bytes.
    return sum(4 * picture.width * picture.height for picture in prepared.seen.pictures)
