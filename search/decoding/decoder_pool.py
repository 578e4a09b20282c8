"""The pool of decoder processes, started on demand, one per file that is decoded concurrently.

They end after some idle time, or with this process, however it ends.
"""

import atexit
import os
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from django.conf import settings

from imagesearch.memory_and_cores import core_count
from search.decoding.decoder_supervision import Decoder

IDLE = 15.0
"""Seconds that a decoder may be idle."""
IDLE_ON_SITE = 1
"""Decoders that a web process keeps while they are idle: there may be many such processes."""


class Pool:
    """Idle decoders, and a thread that starts and ends them.

    It is always the same thread, which lives as long as the process: Linux ends a decoder, as requested by it, with
    the thread that started it.
    """

    def __init__(self) -> None:
        self._idle: list[Decoder] = []
        self._all: set[Decoder] = set()
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[Future[Decoder]] = queue.SimpleQueue()
        self._keeper: threading.Thread | None = None

    @contextmanager
    def borrowed(self) -> Iterator[Decoder]:
        """Borrow a decoder for exclusive use. Raises NoDecoder."""
        decoder = self._idle_decoder() or self._started()
        try:
            yield decoder
        finally:
            self._give_back(decoder)

    def close(self) -> None:
        """End all decoders; callers that wait for one get UnreadableImage (broke_off)."""
        with self._lock:
            decoders = list(self._all)
            self._idle.clear()
            self._all.clear()
        for decoder in decoders:
            decoder.end()

    def forget(self) -> None:
        """Close the pipes after a fork: the decoders are the parent's."""
        for decoder in self._all:
            decoder.forget()

    def _idle_decoder(self) -> Decoder | None:
        """Return the most recently used idle decoder, so that the others may end."""
        with self._lock:
            while self._idle:
                decoder = self._idle.pop()
                if decoder.is_alive:
                    return decoder
                self._all.discard(decoder)
        return None

    def _started(self) -> Decoder:
        started: Future[Decoder] = Future()
        with self._lock:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="decoders", daemon=True)
                self._keeper.start()
        self._requests.put(started)
        return started.result()

    def _give_back(self, decoder: Decoder) -> None:
        with self._lock:
            most = core_count() if settings.IS_COMMAND else IDLE_ON_SITE
            if decoder in self._all and decoder.is_alive and len(self._idle) < most:
                self._idle.append(decoder)
                return
            self._all.discard(decoder)
        decoder.end()

    def _keep(self) -> None:
        while True:
            try:
                started = self._requests.get(timeout=IDLE / 3)
            except queue.Empty:
                self._end_stale()
                continue
            try:
                decoder = Decoder()
                with self._lock:
                    self._all.add(decoder)
                started.set_result(decoder)
            except BaseException as error:
                started.set_exception(error)

    def _end_stale(self) -> None:
        with self._lock:
            stale = [one for one in self._idle if one.last_used < time.monotonic() - IDLE or not one.is_alive]
            self._idle = [one for one in self._idle if one not in stale]
            self._all.difference_update(stale)
        for decoder in stale:
            decoder.end()


_pool = Pool()


def pool() -> Pool:
    return _pool


def _replace_pool() -> None:
    global _pool
    old, _pool = _pool, Pool()
    old.forget()


os.register_at_fork(after_in_child=_replace_pool)


@atexit.register
def _close() -> None:
    _pool.close()
