"""Lazy loading: an object is loaded at its first use, once per process, and reports its status."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Generic, TypeVar

from search.embedding import load_shedding
from search.embedding.errors import Loading, ModelUnavailable
from search.embedding.load_shedding import MOST_WAITING, BoundedLock, is_bounded
from search.embedding.model_identity import forget_identities

logger = logging.getLogger(__name__)

RETRY_AFTER = 30.0
"""Seconds before loading a failed model is retried: not with every search."""

Encoder = TypeVar("Encoder")


class Status(StrEnum):
    WAITING = "waiting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Once(Generic[Encoder]):
    """An encoder that is loaded at its first use. Other threads wait for the one that loads it."""

    def __init__(
        self, load: Callable[[], Encoder], behind: Callable[[Encoder], Encoder] = lambda loaded: loaded
    ) -> None:
        """`behind` wraps the loaded encoder in its guard."""
        self._load, self._behind = load, behind
        self._starting = threading.Lock()
        self._loader: threading.Thread | None = None
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._turn = BoundedLock(MOST_WAITING)
        self._encoder: Encoder | None = None
        self._failure = ""
        self._failed_at = 0.0

    def get(self) -> Encoder:
        if self._encoder is not None:
            return self._encoder
        if is_bounded():
            return self._get_soon()
        with self._turn.taken():
            if self._encoder is None:
                self._try()
            assert self._encoder is not None
            return self._encoder

    def _get_soon(self) -> Encoder:
        """Load in a separate thread, and wait for it only as long as people do."""
        self._raise_if_failed_lately()
        with self._starting:
            if self._loader is None or not self._loader.is_alive():
                self._loader = threading.Thread(target=self._load_alone, name="model-loading", daemon=True)
                self._loader.start()
            loader = self._loader
        if not self._places.acquire(blocking=False):
            raise Loading
        try:
            loader.join(load_shedding.PATIENCE)
        finally:
            self._places.release()
        encoder = self._encoder
        if encoder is not None:
            return encoder
        self._raise_if_failed_lately()
        raise Loading

    def _load_alone(self) -> None:
        with suppress(ModelUnavailable), self._turn.taken():  # stored, and logged at its source
            if self._encoder is None:
                self._try()

    def _raise_if_failed_lately(self) -> None:
        if self._failure and time.monotonic() - self._failed_at < RETRY_AFTER:
            # A new exception each time: a stored one would reference every request that it passed through.
            raise ModelUnavailable(self._failure)

    def _try(self) -> None:
        self._raise_if_failed_lately()
        failed_before = bool(self._failure)
        try:
            self._encoder, self._failure = self._behind(self._load()), ""
        except ModelUnavailable as error:
            self._failure, self._failed_at = str(error), time.monotonic()
            logger.error("%s", error)
            raise
        if failed_before:
            forget_identities()  # the cached ones describe the incomplete folder

    @property
    def status(self) -> Status:
        if self._encoder is not None:
            return Status.READY
        if self._turn.is_taken:
            return Status.LOADING
        return Status.FAILED if self._failure else Status.WAITING

    @property
    def failure(self) -> str:
        return self._failure

    @property
    def loaded(self) -> Encoder | None:
        return self._encoder

    def set(self, encoder: Encoder | None) -> None:
        """Replace the encoder; None: load the one that the settings name at the next use."""
        with self._turn.taken():
            self._encoder, self._failure = encoder and self._behind(encoder), ""
