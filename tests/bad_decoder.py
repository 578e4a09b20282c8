"""A decoder process that misbehaves for files with a marker in them, as a buggy one would. The files are harmless."""

import ctypes
import os
import time
from collections.abc import Callable

from search.imaging import decoder_process
from search.imaging.decoder_tasks import TASKS, Answer

MARK = b"the decoder of the tests: "
ABORT, CRASH, EXIT, HANG, SPIN, EAT, RAISE, LIE, NONSENSE = (
    MARK + kind.encode() for kind in ("abort", "crash", "exit", "hang", "spin", "eat", "raise", "lie", "nonsense")
)


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytes(8 << 20))


def _spin() -> None:
    while True:
        pass


def _raise() -> None:
    raise RuntimeError("nobody expects this")


_DEEDS: dict[bytes, Callable[[], object]] = {
    ABORT: os.abort,
    CRASH: lambda: ctypes.string_at(0),
    EXIT: lambda: os._exit(3),
    HANG: lambda: time.sleep(1_000),
    SPIN: _spin,
    EAT: _eat,
    RAISE: _raise,
    NONSENSE: lambda: os.write(4, b"]\n" * 100),  # where answers go
}


def _misbehave(data: bytes) -> Answer | None:
    for mark, do in _DEEDS.items():
        if mark in data:
            do()
    if LIE in data:
        return {"format": "JPEG", "width": 10**9, "height": 1, "size": [8, 8]}, [bytes(5)]
    return None


def main(parent: int) -> None:
    for name, task in list(TASKS.items()):

        def work(data: bytes, memory: int, _task=task, **options: object) -> Answer:  # type: ignore[no-untyped-def]
            return _misbehave(data) or _task(data, memory, **options)

        TASKS[name] = work
    decoder_process.main(parent)
