"""Tar archives, read from their start to their end, compressed or not, and never unpacked to the disk."""

import lzma
import os
import re
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from search.ingestion.items import Item, Unavailable
from search.ingestion.sources.files import version_of
from search.ingestion.sources.listing import MOST_BYTES, Findings, Listing
from search.ingestion.sources.names import is_offered, storable

HELD_BYTES = 256 * 1024 * 1024
"""Bytes of pictures that were passed in an archive and that nobody has read yet: the archive waits beyond that."""
_TAR = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz)$", re.IGNORECASE)
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError)


def is_tar(path: str) -> bool:
    """Whether a file's name is that of a tar archive, compressed in a way that Python reads."""
    return bool(_TAR.search(path))


def tar_listing(path: str, findings: Findings) -> Listing:
    """Return the pictures in an archive; how many there are is known at its end."""
    return Listing(_items(path, findings))


class _Held:
    """The bytes of pictures that wait to be read."""

    def __init__(self) -> None:
        self._bytes = 0
        self._changed = threading.Condition()

    def take(self, amount: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._bytes or self._bytes + amount <= HELD_BYTES)
            self._bytes += amount

    def give_back(self, amount: int) -> None:
        with self._changed:
            self._bytes -= amount
            self._changed.notify_all()


class _Member:
    """A picture that was passed: its bytes until they are read, or nobody will."""

    def __init__(self, path: str, number: int, data: bytes, held: _Held) -> None:
        self._path, self._number, self._held = path, number, held
        held.take(len(data))
        self._data: bytes | None = data
        self._lock = threading.Lock()

    def read(self) -> bytes:
        with self._lock:
            data = self._release()
        return _found_again(self._path, self._number) if data is None else data

    def _release(self) -> bytes | None:
        data, self._data = self._data, None
        if data is not None:
            self._held.give_back(len(data))
        return data

    def __del__(self) -> None:
        self._release()


def _items(path: str, findings: Findings) -> Iterator[Item]:
    held = _Held()
    try:
        resolved, version = os.path.realpath(path), version_of(os.stat(path))  # noqa: PTH116
        # A stream: seeking back in what is compressed would begin at its start each time.
        with tarfile.open(path, "r|*") as archive:
            for number, member in enumerate(_members(archive)):
                if not member.isfile() or not is_offered(member.name.removeprefix("./")):
                    continue
                read = _reader(path, number, archive, member, held)
                yield Item(
                    f"{path}/{member.name}",
                    read,
                    address=storable(f"{resolved}/{member.name}"),
                    version=f"{version} {number}",
                )
    except (*_DAMAGED, OSError) as error:
        findings.problems.append((path, f"The archive can't be read on from here: {error}"))


def _reader(
    path: str, number: int, archive: tarfile.TarFile, member: tarfile.TarInfo, held: _Held
) -> Callable[[], bytes]:
    if member.size > MOST_BYTES:
        return partial(_too_large, member.size)
    return _Member(path, number, _bytes(archive, member), held).read


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while member := archive.next():
        archive.members = []  # type: ignore[attr-defined] # or it remembers all of them
        yield member


def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file
    data = file.read()
    if len(data) < member.size:
        raise EOFError(f"it ends within {member.name}")
    return data


def _found_again(path: str, number: int) -> bytes:
    """Read the archive up to a member once more, for whoever reads it a second time."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for at, member in enumerate(_members(archive)):
                if at == number:
                    return _bytes(archive, member)
    except _DAMAGED as error:
        raise Unavailable(f"The archive can't be read: {error}") from error
    raise Unavailable("The archive has changed.")


def _too_large(size: int) -> bytes:
    raise Unavailable(
        f"It has {size / 1024**2:,.0f} MB; at most {MOST_BYTES / 1024**2:,.0f} are read from an archive."
    )
