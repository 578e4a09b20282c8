"""Runs tasks in decoder processes, within the memory budget of this kind of process."""

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

from django.conf import settings

from search.decoding.decoder_pool import pool
from search.decoding.decoder_supervision import BASE, Answer, Job, Source, size_of
from search.decoding.memory_budget import budget, memory
from search.imaging import Reason, UnreadableImage, too_much_memory

SECONDS, SECONDS_OF_COMMANDS = 30, 120
"""Time limit for one picture. The slowest accepted one takes a few seconds on a slow machine."""
PATIENCE = 8.0
"""Seconds that a person's request waits for memory."""
MOST_WAITING = 4
"""Threads of a web worker that may wait for memory: the others stay free for pages that decode nothing."""
_FIRST = 24 << 20
"""Memory limit of the first attempt in bytes: enough for most photos, which are JPEGs."""

_bounded = threading.Event()


def bound_waiting() -> None:
    """Limit waiting in this process from now on to what people accept. Commands wait without a limit."""
    _bounded.set()


def decode(
    task: str, source: Source, *, of_collection: bool = False, seconds: int | None = None, **options: object
) -> Answer:
    """Run a task of search.imaging.decoder_tasks on a file, in at most `seconds` if given.

    Waits for memory before reading the file. A picture that needs more than the limit, by its header, is refused. One
    of the collection (`of_collection`), which a command may have ingested, may take as much as commands may, alone if
    need be.

    Raises UnreadableImage, also for a file that crashes its decoder, Busy and NoDecoder.
    """
    fatal_files.refuse(source)
    most = memory() - BASE
    if of_collection:
        most = max(most, 1_000_000 * int(settings.INGEST_DECODE_MAX_MB) - BASE)
    room = _FIRST + 2 * size_of(source)
    while True:
        answer = _attempt(task, source, options, min(room, most), seconds)
        if not answer.needs:
            return answer
        if answer.needs > most:
            raise too_much_memory(answer.needs + BASE, most + BASE)
        if answer.needs <= room:
            raise UnreadableImage(Reason.BROKE_OFF)
        room = answer.needs


def _attempt(task: str, source: Source, options: dict[str, object], room: int, seconds: int | None) -> Answer:
    seconds = seconds or (SECONDS_OF_COMMANDS if settings.IS_COMMAND else SECONDS)
    patience, waiting = (PATIENCE, MOST_WAITING) if _bounded.is_set() else (None, None)
    with budget().taken(BASE + room, patience=patience, most_waiting=waiting), pool().borrowed() as decoder:
        try:
            return decoder.work(Job(task, options, room, seconds, math.ceil(seconds)), source)
        except UnreadableImage as refused:
            if refused.code in (Reason.TOO_SLOW, Reason.BROKE_OFF):
                fatal_files.add(source, refused.code)
            raise


_Key: TypeAlias = tuple[int, bytes]


class _FatalFiles:
    """Files that crashed their decoder or took all its time, by size and hash, so that each costs that only once."""

    _MOST = 200

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, Reason] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, source: Source, reason: Reason) -> None:
        key = size_of(source), _digest(source)
        with self._lock:
            self._known[key] = reason
            while len(self._known) > self._MOST:
                self._known.popitem(last=False)

    def refuse(self, source: Source) -> None:
        """Raise UnreadableImage if `source` is one of them."""
        size = size_of(source)
        with self._lock:
            is_suspect = any(known == size for known, _ in self._known)
        if is_suspect and (reason := self._known.get((size, _digest(source)))):
            raise UnreadableImage(reason)

    def forget(self) -> None:
        with self._lock:
            self._known.clear()


def _digest(source: Source) -> bytes:
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    source.seek(0)
    read: Callable[[int], bytes] = source.read
    found = hashlib.sha256()
    while piece := read(1 << 18):
        found.update(piece)
    return found.digest()


fatal_files = _FatalFiles()
