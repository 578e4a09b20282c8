"""Guards around loaded models: they return unit vectors, or a clear error, within a time limit.

A model computes in native code that can't be interrupted. So a thread of the guard encodes one job after the other,
and callers wait for it: in a server only as long as people do, and not at all behind an encoding so slow that it may
never end.
"""

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy.typing as npt

from search.embedding.errors import Busy, EncodingFailed, ModelUnavailable
from search.embedding.load_shedding import is_bounded
from search.embedding.protocol import Picture, PictureEncoder, TextEncoder
from search.models.vector_values import Vectors, WrongVectors, unit_vectors

logger = logging.getLogger(__name__)

WAIT = 8.0
"""Seconds that a server's request waits for a vector."""
SLOW = {"words": 1.0, "pictures": 3.0}
"""Seconds of one encoding after which, in a server, no other job waits behind it: texts take some hundredths."""
SLOW_FOR_EACH = 0.1
"""The same for each further input of a batch."""
HOPELESS = 60.0
"""Seconds of one encoding after which a server process ends itself, to be replaced."""
COMMANDS_WAIT = 600.0
"""Seconds that a command waits for the vectors of a batch."""
_IDLE = 30.0
"""Seconds without jobs after which the thread ends, and with it a reference to the model."""
_LONGEST_MESSAGE = 300

_meanwhile: ContextVar[Callable[[], object] | None] = ContextVar("meanwhile", default=None)


@contextmanager
def doing_meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Context in which the first encoding, if there is one, has `work` done by this thread while a model computes."""
    token = _meanwhile.set(work)
    try:
        yield
    finally:
        _meanwhile.reset(token)


Encoder = TypeVar("Encoder", bound=PictureEncoder | TextEncoder)


class _Job:
    def __init__(self, work: Callable[[], npt.ArrayLike], slow_after: float) -> None:
        self.work, self.slow_after = work, slow_after
        self.has_begun = self.is_done = False
        self.outcome: npt.ArrayLike = ()
        self.error: BaseException | None = None

    def do(self) -> None:
        try:
            self.outcome = self.work()
        except BaseException as error:
            self.error = error


class _UnderWay(NamedTuple):
    """When an encoding began, and from when on no other job waits behind it."""

    began: float
    slow_at: float


class GuardedEncoder(Generic[Encoder]):
    """An encoder with queue, time limits and checked results."""

    kind: ClassVar[str]

    def __init__(self, encoder: Encoder, name: str) -> None:
        """`name` identifies the model in messages to the operator."""
        self.encoder = encoder
        self._name = name
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._under_way: _UnderWay | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self._is_closed = False

    @property
    def backend(self) -> str:
        return self.encoder.backend

    @property
    def dimensions(self) -> int:
        return self.encoder.dimensions

    def close(self) -> None:
        """End the thread when its queue is empty, so that it no longer references the model. Holders of this object
        may still use it."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def stuck_for(self) -> float:
        """Seconds for which an encoding has exceeded its time limit, counted from its start; else 0."""
        now, under_way = time.monotonic(), self._under_way
        if under_way is None or now < under_way.slow_at or not is_bounded():
            return 0.0
        return now - under_way.began

    def _encoded(self, work: Callable[[], npt.ArrayLike], count: int) -> Vectors:
        """Return `count` unit vectors. Raises ModelUnavailable, and WrongVectors if these inputs may be the cause."""
        job = _Job(work, SLOW[self.kind] + SLOW_FOR_EACH * (count - 1))
        self._wait_for(job, WAIT if is_bounded() else COMMANDS_WAIT)
        error = job.error
        if error is None:
            return unit_vectors(job.outcome, count=count, dimensions=self.encoder.dimensions)
        if isinstance(error, (WrongVectors, ModelUnavailable)):
            raise error
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            raise EncodingFailed(f"There was not enough memory for {self._name}.") from error
        message = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
        raise EncodingFailed(f"{self._name} failed ({message}).") from error

    def _wait_for(self, job: _Job, patience: float) -> None:
        deadline = time.monotonic() + patience
        with self._changed:
            self._jobs.append(job)
            self._have_a_thread()
            self._changed.notify_all()
        if work := _meanwhile.get():
            _meanwhile.set(None)
            work()
        with self._changed:
            while not job.is_done:
                left = min(deadline, self._end_of_waiting(job)) - time.monotonic()
                if left <= 0:
                    if not job.has_begun:
                        self._jobs.remove(job)
                        raise Busy
                    self._watch_over(job)
                    raise ModelUnavailable(f"{self._name} has not responded for {patience:.2g} seconds.")
                self._changed.wait(left)

    def _end_of_waiting(self, job: _Job) -> float:
        """Return until when waiting for `job` makes sense: it may be queued behind a slow one."""
        if job.has_begun or self._under_way is None or not is_bounded():
            return float("inf")
        return self._under_way.slow_at

    def _have_a_thread(self) -> None:
        if self._process != os.getpid():  # threads don't survive a fork
            self._process, self._under_way, self._thread = os.getpid(), None, None
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="encoding", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    if self._is_closed or (not self._changed.wait(_IDLE) and not self._jobs):
                        self._thread = None
                        return
                job = self._jobs.popleft()
                began = time.monotonic()
                job.has_begun, self._under_way = True, _UnderWay(began, began + job.slow_after)
                self._changed.notify_all()
            job.do()
            with self._changed:
                job.is_done, self._under_way = True, None
                self._changed.notify_all()
            del job

    def _watch_over(self, job: _Job) -> None:
        """Terminate this process, if it is a server's, should `job` never end."""
        if is_bounded():
            threading.Thread(target=self._end_if_hopeless, args=[job], name="encoding-watch", daemon=True).start()

    def _end_if_hopeless(self, job: _Job) -> None:
        with self._changed:
            if self._changed.wait_for(lambda: job.is_done, HOPELESS - WAIT):
                return
        logger.critical(
            "%s has been busy with one encoding for %.0f seconds: this process ends, to be replaced.",
            self._name,
            HOPELESS,
        )
        os.kill(os.getpid(), signal.SIGTERM)


class GuardedPictures(GuardedEncoder[PictureEncoder]):
    kind = "pictures"

    @property
    def window(self) -> tuple[int, int, int] | None:
        return self.encoder.window

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        return self._encoded(lambda: self.encoder.encode_pictures(pictures), len(pictures))


class GuardedTexts(GuardedEncoder[TextEncoder]):
    kind = "words"

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._encoded(lambda: self.encoder.encode_texts(texts), len(texts))
