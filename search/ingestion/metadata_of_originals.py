"""Read metadata from stored originals: many at once, and no more of each than needed."""

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from search.curation.metadata_import import Written, merged_metadata
from search.decoding import FileMetadata, written_in, written_in_many
from search.imaging import UnreadableImage, memory_guarded
from search.metadata import PhotoMetadata
from search.metadata.photo_metadata import NOTHING
from search.models import Image
from search.objects import storage

FIRST_OF_FILES, FIRST_OF_OBJECTS, MORE = 64 << 10, 256 << 10, 1 << 20
"""Bytes read in the first two passes, before the whole file: nearly all photos have their metadata in the first. A
request takes longer than the transfer."""
_TOGETHER, _TOGETHER_BYTES = 32, 8 << 20
"""Files, and about how many bytes of them, per call to a decoder."""
_REQUESTS = 32
"""Concurrent requests to the object storage."""


@dataclass(frozen=True, slots=True)
class Original:
    """A picture whose file is to be read; `origins` are the keys of its Origin rows, and `read_sidecars` reads its
    sidecars."""

    image: Image
    address: str
    origins: Collection[object]
    read_sidecars: Callable[[], Mapping[str, bytes]] = field(repr=False)


@dataclass(slots=True)
class Read:
    """The result for one original: its metadata (`known`) or a `failure`, and its sidecars."""

    original: Original
    sidecars: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    said: FileMetadata | None = None
    known: PhotoMetadata = NOTHING
    failure: str = ""


class Reader:
    """Threads that read originals, without the database, and pass them to `decoders` decoder processes."""

    def __init__(self, decoders: int) -> None:
        # One thread more than decoders: it reads meanwhile.
        self._parts = ThreadPoolExecutor(decoders + 1, thread_name_prefix="read-metadata")
        self._objects = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="read-originals")
        self._decoders = threading.Semaphore(decoders)

    def __enter__(self) -> Self:
        self._parts.submit(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.shutdown(cancel_futures=True)
        self._objects.shutdown(cancel_futures=True)

    def read(self, originals: Sequence[Original]) -> list[Read]:
        """Return the results in the order given. Raises StorageUnavailable and NoDecoder."""
        every = [Read(original) for original in originals]
        waiting = every
        first = FIRST_OF_FILES if storage.are_files() else FIRST_OF_OBJECTS
        for count in (first, MORE, 0):
            for _ in self._parts.map(partial(self._read_together, count=count), _parts(waiting, count)):
                pass
            waiting = [one for one in waiting if one.said and not one.said.is_whole and _has_more(one, count)]
        return every

    def _start(self) -> None:
        """Start a decoder while the first files are read."""
        with self._decoders, suppress(UnreadableImage):
            written_in(b"")

    def _read_together(self, part: Sequence[Read], *, count: int) -> None:
        beginning = partial(_beginning, count=count)
        # Reading a local file is faster than waking a thread.
        are_files = storage.are_files() and not any(one.original.image.original_location for one in part)
        data = list(map(beginning, part) if are_files else self._objects.map(beginning, part))
        there = [(one, of_one) for one, of_one in zip(part, data, strict=True) if not one.failure]
        if not there:
            return
        with self._decoders:
            found = written_in_many([(of_one, one.sidecars.get("xmp", b"")) for one, of_one in there])
        for (one, _), said in zip(there, found, strict=True):
            if isinstance(said, UnreadableImage):
                one.failure, one.said = str(said), None
            else:
                one.said = said
                # Parse here, while the decoder works on others.
                one.known = _known(one, said)


def _has_more(read: Read, count: int) -> bool:
    return bool(count) and read.original.image.byte_size > count


def _parts(waiting: Sequence[Read], count: int) -> Iterator[list[Read]]:
    """Group originals into calls to a decoder, given the number of bytes read of each (0: all)."""
    part: list[Read] = []
    size = 0
    for one in waiting:
        its = min(count, one.original.image.byte_size) if count else one.original.image.byte_size
        if part and (len(part) == _TOGETHER or size + its > _TOGETHER_BYTES):
            yield part
            part, size = [], 0
        part.append(one)
        size += its
    if part:
        yield part


def _known(read: Read, said: FileMetadata) -> PhotoMetadata:
    address, changed = read.original.address, None
    with suppress(OSError, ValueError):
        changed = os.stat(address).st_mtime if address.startswith("/") else None  # noqa: PTH116 - of each of millions
    return merged_metadata(Written(address, changed, read.sidecars), said.sidecar, said.file)


def _beginning(one: Read, *, count: int) -> bytes:
    image = one.original.image
    if one.said is None:
        one.sidecars = one.original.read_sidecars()
    try:
        with memory_guarded():
            if not count:
                return storage.read_original(image)
            return storage.read_beginning(image, count, one.original.origins)
    except (storage.MissingObject, storage.UnreachableOriginal, UnreadableImage) as error:
        one.failure, one.said = str(error) or type(error).__name__, None
    return b""
