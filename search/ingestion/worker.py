"""Rows that are owed a vector are read, encoded and written: a batch is read while the one before is encoded."""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from django.db import InterfaceError, InternalError, OperationalError, connection

from imagesearch.machine import core_count
from search.decoding import NoDecoder, Seen
from search.embedding import picture_encoder, require_fit
from search.imaging import UnreadableImage, memory_guarded
from search.ingestion.adding import read_for_model
from search.ingestion.database_statistics import refresh_statistics
from search.ingestion.pending import Owed, claim
from search.ingestion.pipeline.index_during_load import IndexDuringLoad
from search.ingestion.pipeline.steps import BATCH
from search.ingestion.pipeline.windows import Encoded, encode_seen
from search.ingestion.report import Progress, Report
from search.models import Image
from search.models.active_pair import one_choice
from search.models.vector_values import WrongVectors
from search.objects import other_buckets, storage

logger = logging.getLogger(__name__)

BATCHES = 2
"""Batches that a process has claimed at once: one is encoded, the next is read and decoded."""
READERS = max(4, 2 * core_count())
"""Originals that are read and decoded at once; more than there are cores, since a storage takes its time."""
LOOK_AGAIN = 2.0
"""Seconds after which somebody who found nothing to do looks again."""
CONSIDER_INDEX = 10.0
"""Seconds between two looks at how much waits, and whether the index of the vectors is better left out of that."""
ASK_AGAIN = 600.0
"""Seconds after which a worker that watches asks again for originals that could not be reached where they stay."""
MOST_SILENT = 3
"""Originals in one bucket that may get no answer, each after its time, before no more of them are asked for."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries while the database or the storage is away: at first, and at most."""

LOST_DATABASE = (OperationalError, InterfaceError, InternalError)
"""What a connection raises that broke: the last one where the database ended the transaction of a claim."""

_OUTAGES = (storage.StorageUnavailable, NoDecoder, *LOST_DATABASE)


class _Reach:
    """What can't be reached at other places, where originals stay. Used by many threads."""

    def __init__(self) -> None:
        self.left_out: set[uuid.UUID] = set()
        self._silent: Counter[str] = Counter()
        self._ask_at = 0.0

    def read(self, image: Image) -> bytes:
        """Return the bytes of an original. Raises what `storage.read_original` does."""
        location = image.original_location
        bucket = other_buckets.split(location)[0] if location else ""
        if bucket and self._silent[bucket] >= MOST_SILENT:
            reason = f"Nothing answers there, as for {MOST_SILENT} others: left for later."
            raise storage.UnreachableOriginal(location, reason, is_silent=True)
        try:
            data = storage.read_original(image)
        except storage.UnreachableOriginal as error:
            self._silent[bucket] = self._silent[bucket] + 1 if error.is_silent else 0
            raise
        self._silent[bucket] = 0
        return data

    def leaves_out(self, image_id: uuid.UUID) -> None:
        if not self.left_out:
            self._ask_at = time.monotonic() + ASK_AGAIN
        self.left_out.add(image_id)

    def asks_again(self) -> set[uuid.UUID]:
        """Return whose originals are to be asked for again by now."""
        if time.monotonic() < self._ask_at:
            return set()
        again, self.left_out = self.left_out, set()
        self._silent.clear()
        return again


class Worker:
    """Gives vectors to what is owed one, until it is told to `stop`; what became of it stands in `report`.

    A picture that can't be read is reported, left as it is and not tried again by this worker; one whose original
    can't be reached where it stays is tried again while it watches. `limit` is the most vectors to give. `progress`
    is called by one thread at a time.
    """

    def __init__(
        self,
        owed: Owed,
        *,
        batch: int = BATCH,
        limit: int | None = None,
        stop: threading.Event | None = None,
        progress: Progress = lambda report: None,
    ) -> None:
        self.report = Report()
        self.stop = stop or threading.Event()
        self._owed = owed
        self._batch = batch
        self._allowed = limit
        self._progress = progress
        self._lock = threading.Lock()
        self._failed: set[uuid.UUID] = set()
        self._reach = _Reach()

    def work(self) -> None:
        """Work until nothing is left. What others have claimed is waited for, since they may be killed.

        Much that waits is written without the index of the vectors, which is then built at the end by whoever holds
        its lock: one of all the processes, or whichever ends next where that one was killed or told to stop.

        Raises ModelUnavailable, StorageUnavailable, NoDecoder and what is in LOST_DATABASE; what it had claimed is
        then free.
        """
        if self._owed.choice is None:  # each batch then has what is chosen by then
            self._work()
        else:
            with one_choice(self._owed.choice):
                self._work()

    def _work(self) -> None:
        before = self.report.added
        # Its lock belongs to the connection of this thread, which all others leave alone.
        index = IndexDuringLoad(self._tell)
        try:
            while not self._is_over and self._owed.left(self._failed):
                if not self._round(index):
                    self.stop.wait(LOOK_AGAIN)
            if not self.stop.is_set():
                index.finish()
        finally:
            index.let_go()
        refresh_statistics(self.report.added - before)

    def watch(self, rested: Callable[[], None], then: Callable[[], None] = lambda: None) -> None:
        """Work whenever there is something to do, and `then` do what else there may be each time; `rested` is called
        whenever something was done, and nothing is left.

        While the database or the storage is away it tries again and again. Raises ModelUnavailable.
        """
        picture_encoder()
        told, delay = -1, FIRST_WAIT
        while not self._is_over:
            try:
                self._ask_again()
                self.work()
                then()
                if told != self.report.seen:
                    told = self.report.seen
                    rested()
                delay = FIRST_WAIT
                self.stop.wait(LOOK_AGAIN)
            except _OUTAGES as error:
                connection.close()
                logger.warning("%s: trying again in %.0f s.", str(error).strip(), delay)
                self.stop.wait(delay)
                delay = min(2 * delay, LONGEST_WAIT)

    @property
    def _is_over(self) -> bool:
        return self.stop.is_set() or self._allowed == 0

    def _tell(self, doing: str) -> None:
        with self._lock:
            self.report.doing = doing
            self._progress(self.report)
            self.report.doing = ""

    def _round(self, index: IndexDuringLoad) -> bool:
        """Take what nobody else has claimed; return whether that was anything."""
        self._progress(self.report)
        picture_encoder()  # not while rows are claimed: loading it takes long
        require_fit()
        index.rows_wait(self._allowed)
        seen = self.report.seen
        broken = threading.Event()
        with (
            ThreadPoolExecutor(READERS, thread_name_prefix="read") as readers,
            ThreadPoolExecutor(BATCHES, thread_name_prefix="embed") as pool,
        ):
            ends = [pool.submit(self._batches, readers, broken) for _ in range(BATCHES)]
            while wait(ends, timeout=CONSIDER_INDEX).not_done:
                index.rows_wait(self._allowed)
        for end in ends:
            end.result()
        return self.report.seen > seen

    def _batches(self, readers: ThreadPoolExecutor, broken: threading.Event) -> None:
        try:
            while not self.stop.is_set() and not broken.is_set() and self._one_batch(readers):
                pass
        except BaseException:
            broken.set()
            raise
        finally:
            connection.close()

    def _one_batch(self, readers: ThreadPoolExecutor) -> bool:
        """Return whether there was something to claim."""
        count = self._take()
        if not count:
            return False
        given = written = 0
        try:
            with one_choice(self._owed.choice), claim(self._owed, count, self._failed.copy()) as claimed:
                # The other thread may have failed on one of them since.
                images = [image for image in claimed if image.pk not in self._failed]
                if seen := self._read(images, readers):
                    written = self._owed.give(*self._encoded(seen))
            given = written
        finally:
            self._note(given, count)
            connection.close()  # back to the pool: where it has one for two threads, they take turns
        return bool(claimed)

    def _take(self) -> int:
        with self._lock:
            if self._allowed is None:
                return self._batch
            count = min(self._batch, self._allowed)
            self._allowed -= count
            return count

    def _note(self, given: int, taken: int) -> None:
        with self._lock:
            if self._allowed is not None:
                self._allowed += taken - given
            self.report.added += given
            self._progress(self.report)

    def _ask_again(self) -> None:
        again = self._reach.asks_again()
        if again:
            self._failed -= again
            self.report.failed = [one for one in self.report.failed if uuid.UUID(one[0]) not in again]

    def _fail(self, image_id: uuid.UUID, reason: str) -> None:
        # Before the claim ends, or the next one takes the same row.
        with self._lock:
            self._failed.add(image_id)
            self.report.fail(str(image_id), reason)
        self._owed.failed(image_id, reason)

    def _read(self, images: Sequence[Image], readers: ThreadPoolExecutor) -> dict[uuid.UUID, Seen]:
        window = picture_encoder().window

        def read(image: Image) -> Seen | str:
            try:
                with memory_guarded():
                    data = self._reach.read(image)
                    return read_for_model(data, window)
            except (UnreadableImage, storage.MissingObject) as error:
                return str(error)
            except storage.UnreachableOriginal as error:
                self._reach.leaves_out(image.pk)
                return str(error)

        seen = {}
        for image, outcome in zip(images, readers.map(read, images), strict=True):
            if isinstance(outcome, str):
                self._fail(image.pk, outcome)
            else:
                seen[image.pk] = outcome
        return seen

    def _encoded(self, seen: Mapping[uuid.UUID, Seen]) -> tuple[dict[uuid.UUID, Encoded], str]:
        """Return the vectors, and what made them."""
        encoder = picture_encoder()
        try:
            vectors = encode_seen(encoder, list(seen.values()))
            return dict(zip(seen, vectors, strict=True)), encoder.backend
        except WrongVectors:
            logger.warning("One of %d pictures has no vector; each is tried alone.", len(seen))
        found = {}
        for image_id, one in seen.items():
            try:
                (found[image_id],) = encode_seen(encoder, [one])
            except WrongVectors as error:
                self._fail(image_id, str(error))
        return found, encoder.backend
