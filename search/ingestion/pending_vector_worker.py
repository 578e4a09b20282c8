"""Compute pending vectors: rows are read, encoded and written, one batch being read while another is encoded."""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from django.db import InterfaceError, InternalError, OperationalError, connection

from imagesearch.memory_and_cores import core_count
from search.decoding import NoDecoder, Seen
from search.embedding import picture_encoder, require_fit
from search.imaging import UnreadableImage, memory_guarded
from search.ingestion.adding import read_for_model
from search.ingestion.database_statistics import refresh_statistics
from search.ingestion.pending import PendingRows, claim
from search.ingestion.pipeline.index_during_load import IndexDuringLoad
from search.ingestion.pipeline.steps import BATCH
from search.ingestion.pipeline.window_vectors import Encoded, encode_seen
from search.ingestion.report import Progress, Report
from search.models import Image
from search.models.active_pair import one_choice
from search.models.vector_values import WrongVectors
from search.objects import other_buckets, storage

logger = logging.getLogger(__name__)

BATCHES = 2
"""Batches claimed by a process at once: one is encoded while the next is read and decoded."""
READERS = max(4, 2 * core_count())
"""Originals read and decoded at once; more than cores, since a storage has latency."""
POLL_SECONDS = 2.0
"""Seconds before looking again when nothing was found."""
CONSIDER_INDEX = 10.0
"""Seconds between two checks of the backlog, for which dropping the vector index may pay off."""
RETRY_UNREACHABLE = 600.0
"""Seconds after which a watching worker retries originals that could not be reached."""
MOST_SILENT = 3
"""Consecutive timeouts of a bucket after which no more of its originals are tried."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""First and longest delay in seconds between retries while the database or the storage is unavailable."""

LOST_DATABASE = (OperationalError, InterfaceError, InternalError)
"""Exceptions of a broken connection; the last one if the database ended a claim's transaction."""

_OUTAGES = (storage.StorageUnavailable, NoDecoder, *LOST_DATABASE)


class _Reachability:
    """Tracks which originals elsewhere can't be reached. Thread-safe."""

    def __init__(self) -> None:
        self.left_out: set[uuid.UUID] = set()
        self._silent: Counter[str] = Counter()
        self._ask_at = 0.0

    def read(self, image: Image) -> bytes:
        """Return the bytes of an original. Raises what `storage.read_original` raises."""
        location = image.original_location
        bucket = other_buckets.split(location)[0] if location else ""
        if bucket and self._silent[bucket] >= MOST_SILENT:
            reason = f"No response there, as for {MOST_SILENT} others: left for later."
            raise storage.UnreachableOriginal(location, reason, is_silent=True)
        try:
            data = storage.read_original(image)
        except storage.UnreachableOriginal as error:
            self._silent[bucket] = self._silent[bucket] + 1 if error.is_silent else 0
            raise
        self._silent[bucket] = 0
        return data

    def leave_out(self, image_id: uuid.UUID) -> None:
        if not self.left_out:
            self._ask_at = time.monotonic() + RETRY_UNREACHABLE
        self.left_out.add(image_id)

    def due_for_retry(self) -> set[uuid.UUID]:
        """Return the images whose originals are to be retried now."""
        if time.monotonic() < self._ask_at:
            return set()
        again, self.left_out = self.left_out, set()
        self._silent.clear()
        return again


class Worker:
    """Computes pending vectors until `stop` is set; the outcome is in `report`.

    A picture that can't be read is reported and not retried by this worker; one whose original can't be reached is
    retried in `watch`. `limit` is the maximum number of vectors. `progress` is called by one thread at a time.
    """

    def __init__(
        self,
        owed: PendingRows,
        *,
        batch: int = BATCH,
        limit: int | None = None,
        stop: threading.Event | None = None,
        progress: Progress = lambda report: None,
    ) -> None:
        self.report = Report()
        self.stop = stop or threading.Event()
        self._pending = owed
        self._batch = batch
        self._allowed = limit
        self._progress = progress
        self._lock = threading.Lock()
        self._failed: set[uuid.UUID] = set()
        self._reach = _Reachability()

    def work(self) -> None:
        """Work until nothing is left. Waits for rows that others have claimed, since those may be killed.

        A large backlog is written without the vector index, which is built at the end by the process that holds its
        lock, or by the next one to finish if that one was killed or stopped.

        Raises ModelUnavailable, StorageUnavailable, NoDecoder and what is in LOST_DATABASE; all claims are then
        released.
        """
        if self._pending.choice is None:  # each batch then uses the models active at that time
            self._work()
        else:
            with one_choice(self._pending.choice):
                self._work()

    def _work(self) -> None:
        before = self.report.added
        # The index lock belongs to this thread's connection, which the other threads don't use.
        index = IndexDuringLoad(self._announce)
        try:
            while not self._is_over and self._pending.left(self._failed):
                if not self._round(index):
                    self.stop.wait(POLL_SECONDS)
            if not self.stop.is_set():
                index.finish()
        finally:
            index.let_go()
        refresh_statistics(self.report.added - before)

    def watch(self, on_idle: Callable[[], None], then: Callable[[], None] = lambda: None) -> None:
        """Work whenever something is pending, and call `then` each time; `on_idle` is called when the backlog has been
        worked off.

        Retries while the database or the storage is unavailable. Raises ModelUnavailable.
        """
        picture_encoder()
        reported, delay = -1, FIRST_WAIT
        while not self._is_over:
            try:
                self._retry_unreachable()
                self.work()
                then()
                if reported != self.report.seen:
                    reported = self.report.seen
                    on_idle()
                delay = FIRST_WAIT
                self.stop.wait(POLL_SECONDS)
            except _OUTAGES as error:
                connection.close()
                logger.warning("%s: retrying in %.0f s.", str(error).strip(), delay)
                self.stop.wait(delay)
                delay = min(2 * delay, LONGEST_WAIT)

    @property
    def _is_over(self) -> bool:
        return self.stop.is_set() or self._allowed == 0

    def _announce(self, doing: str) -> None:
        with self._lock:
            self.report.doing = doing
            self._progress(self.report)
            self.report.doing = ""

    def _round(self, index: IndexDuringLoad) -> bool:
        """Process unclaimed rows until none is left; return whether there were any."""
        self._progress(self.report)
        picture_encoder()  # load before claiming rows: it takes long
        require_fit()
        index.rows_pending(self._allowed)
        seen = self.report.seen
        broken = threading.Event()
        with (
            ThreadPoolExecutor(READERS, thread_name_prefix="read") as readers,
            ThreadPoolExecutor(BATCHES, thread_name_prefix="embed") as pool,
        ):
            ends = [pool.submit(self._batches, readers, broken) for _ in range(BATCHES)]
            while wait(ends, timeout=CONSIDER_INDEX).not_done:
                index.rows_pending(self._allowed)
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
        """Process one batch; return whether any row was claimed."""
        count = self._take()
        if not count:
            return False
        given = written = 0
        try:
            with one_choice(self._pending.choice), claim(self._pending, count, self._failed.copy()) as claimed:
                # The other thread may have failed on one of them meanwhile.
                images = [image for image in claimed if image.pk not in self._failed]
                if seen := self._read(images, readers):
                    written = self._pending.give(*self._encoded(seen))
            given = written
        finally:
            self._note(given, count)
            connection.close()  # back to the pool, so that threads can share one
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

    def _retry_unreachable(self) -> None:
        again = self._reach.due_for_retry()
        if again:
            self._failed -= again
            self.report.failed = [one for one in self.report.failed if uuid.UUID(one[0]) not in again]

    def _fail(self, image_id: uuid.UUID, reason: str) -> None:
        # Before the claim ends, or another thread would claim the same row.
        with self._lock:
            self._failed.add(image_id)
            self.report.fail(str(image_id), reason)
        self._pending.failed(image_id, reason)

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
                self._reach.leave_out(image.pk)
                return str(error)

        seen = {}
        for image, outcome in zip(images, readers.map(read, images), strict=True):
            if isinstance(outcome, str):
                self._fail(image.pk, outcome)
            else:
                seen[image.pk] = outcome
        return seen

    def _encoded(self, seen: Mapping[uuid.UUID, Seen]) -> tuple[dict[uuid.UUID, Encoded], str]:
        """Return the vectors and the backend that made them."""
        encoder = picture_encoder()
        try:
            vectors = encode_seen(encoder, list(seen.values()))
            return dict(zip(seen, vectors, strict=True)), encoder.backend
        except WrongVectors:
            logger.warning("One of %d pictures has no vector; encoding each alone.", len(seen))
        found = {}
        for image_id, one in seen.items():
            try:
                (found[image_id],) = encode_seen(encoder, [one])
            except WrongVectors as error:
                self._fail(image_id, str(error))
        return found, encoder.backend
