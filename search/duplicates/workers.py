"""Worker processes that compare pictures for one command: threads would be limited by the GIL.

Each has its own connection, hashes and cache: some 200 MB. They end with the command, however it ends. Models must not
be imported here before `django.setup` in the new process.
"""

import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from search.duplicates.detection import Comparing, Found
    from search.models.vector_sets import VectorTable

IN_A_ROW = 3
"""Batches per task: they are neighbours."""
_SETTINGS = ("DATABASES", "STORAGES", "MEDIA_ROOT", "DATA_DIR", "IS_COMMAND")
"""Settings that the parent process may have changed, as tests do."""

_of_this_process: "list[Comparing]" = []


class Ended(Exception):
    """A worker process was killed, most likely since memory ran out."""


class Workers:
    """A pool of `jobs` processes for the block. On an exception they are killed."""

    def __init__(self, table: "VectorTable", jobs: int) -> None:
        self._jobs = jobs
        self.executor = ProcessPoolExecutor(
            jobs, multiprocessing.get_context("spawn"), _begin, (_settings(), astuple(table))
        )
        self._before = set(multiprocessing.active_children())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind:
            for process in set(multiprocessing.active_children()) - self._before:
                process.kill()
        self.executor.shutdown(cancel_futures=True)

    def compared(self, batches: Sequence[Sequence[uuid.UUID]], stop: threading.Event) -> "Iterator[Found]":
        """Yield the result of each batch until all are compared, or, after `stop`, until running tasks end.

        Raises Ended, and what comparing raises.
        """
        try:
            yield from self._compared(batches, stop)
        except BrokenProcessPool as error:
            raise Ended from error

    def _compared(self, batches: Sequence[Sequence[uuid.UUID]], stop: threading.Event) -> "Iterator[Found]":
        runs = iter([batches[start : start + IN_A_ROW] for start in range(0, len(batches), IN_A_ROW)])
        under_way: set[Future[list[Found]]] = set()
        while True:
            while len(under_way) < self._jobs and not stop.is_set() and (run := next(runs, None)):
                under_way.add(self.executor.submit(_compare, run))
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for one in done:
                yield from one.result()


def _settings() -> Mapping[str, Any]:
    from django.conf import settings  # noqa: PLC0415

    return {name: getattr(settings, name) for name in _SETTINGS}


def _begin(settings_values: Mapping[str, Any], table: tuple[Any, ...]) -> None:
    """Initialise a worker process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # handled by the parent, which stops in order
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    for name, value in settings_values.items():
        setattr(settings, name, value)
    django.setup()
    from search.duplicates.detection import Comparing  # noqa: PLC0415
    from search.duplicates.hash_index import Hashes  # noqa: PLC0415
    from search.models.vector_sets import VectorTable  # noqa: PLC0415

    _of_this_process.append(Comparing(VectorTable(*table), Hashes()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _compare(batches: Sequence[Sequence[uuid.UUID]]) -> "list[Found]":
    (comparing,) = _of_this_process
    return [comparing.compare(ids) for ids in batches]
