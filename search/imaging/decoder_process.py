"""A decoder process: decodes files for its parent, and can do nothing else.

The parent writes jobs to its stdin and reads answers from its stdout. A job is a line of JSON and the bytes of a file;
an answer is a line of JSON and the blobs whose sizes it gives. This module imports neither Django, numpy nor a model:
the process starts in 0.1 s and takes 15 MB.
"""

import ctypes
import gc
import json
import os
import resource
import signal
from contextlib import suppress
from typing import Any, BinaryIO

import PIL.Image

from search.containers.errors import NeedsMemory, UnreadableImage
from search.imaging.decoder_tasks import TASKS
from search.imaging.decoders_by_format import ready_decoders
from search.imaging.sandbox import confine

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BLOCK = 4 << 20
"""Bytes from which an allocation is returned to the kernel as soon as it is freed."""
READY = b"ready\n"
SLACK = 8 << 20
"""Bytes beyond the picture's: Python's own, and allocators' rounding."""
_KEPT = 24 << 20
"""Bytes that the process may retain after a picture, most of them never touched: libraries keep 18 MiB."""


def main(parent: int) -> None:
    """Answer jobs until stdin is closed. `parent` is the id of the process that started this one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the parent, and this process ends with it
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    memory = Memory()
    _warm_up()
    confine(parent)
    answers.write(READY)
    answers.flush()
    while line := jobs.readline():
        if not _work(json.loads(line), jobs, answers, memory):
            return


def _work(job: dict[str, Any], jobs: BinaryIO, answers: BinaryIO, memory: "Memory") -> bool:
    """Answer a job; return whether the process may take another: one that retains much memory announces its end, and
    ends."""
    memory.limit_to(job["memory"])
    _limit_seconds(job["seconds"])
    answer, blobs = _answered(job, jobs.read(job["size"]))
    answer["sizes"] = [len(blob) for blob in blobs]
    answer["ends"] = not memory.is_given_back(sum(answer["sizes"]))
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.writelines(blobs)
    answers.flush()
    return not answer["ends"]


def _answered(job: dict[str, Any], data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    try:
        return TASKS[job["task"]](data, job["memory"], **job["options"])
    except UnreadableImage as refused:
        return {"refused": refused.code, "figures": refused.figures}, []
    except NeedsMemory as more:
        return {"needs": more.needed}, []
    except MemoryError:
        return {"refused": "no_memory", "figures": {}}, []


def _warm_up() -> None:
    """Load what decoders load lazily: no file can be opened later."""
    PIL.Image.preinit()
    ready_decoders()
    gc.freeze()


def _limit_seconds(seconds: int) -> None:
    """Limit this process to that much further processor time; the kernel then ends it, even if its parent is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


class Memory:
    """The memory that this process takes, and may take. Unlimited where the kernel doesn't report it, as on macOS."""

    def __init__(self) -> None:
        self._statm: int | None = None
        with suppress(OSError):
            self._statm = os.open("/proc/self/statm", os.O_RDONLY)
        self._libc = ctypes.CDLL(None)
        # glibc would learn to retain ever larger blocks.
        with suppress(AttributeError):
            self._libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
            self._libc.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE_BLOCK)
        self._first = self._taken()

    def limit_to(self, size: int) -> None:
        """Let the process allocate `size` bytes more than it has."""
        if self._statm is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (self._taken() + size + SLACK, resource.RLIM_INFINITY))

    def is_given_back(self, answer: int) -> bool:
        """Whether nearly all memory taken for a picture is back with the kernel, except for the answer's `answer`
        bytes."""
        most = self._first + _KEPT + 2 * answer
        if self._taken() <= most:
            return True
        with suppress(AttributeError):
            self._libc.malloc_trim(0)
        return self._taken() <= most

    def _taken(self) -> int:
        if self._statm is None:
            return 0
        return int(os.pread(self._statm, 200, 0).split()[5]) * resource.getpagesize()
