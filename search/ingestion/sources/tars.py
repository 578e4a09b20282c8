"""Tar archives as a source of pictures: read sequentially (`tar_streams`), and never unpacked to disk."""

import os
import re
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO

from search.ingestion.items import Item, Unavailable, no_folder, no_sidecars
from search.ingestion.sources.byte_limits import expected, most_bytes, no_memory, refuse_if_large
from search.ingestion.sources.file_names import is_of_another_kind, plain_name, redundant_raws, storable, suffix_of
from search.ingestion.sources.listing import Findings, Listing
from search.ingestion.sources.local_files import version_of
from search.ingestion.sources.member_selection import Members
from search.ingestion.sources.multi_part_archives import GoogleTar, Part, Parts, folder_of, is_of_google
from search.ingestion.sources.options import Choices
from search.ingestion.sources.sidecars import Sidecars, read_sidecars
from search.ingestion.sources.sniffing import HEAD
from search.ingestion.sources.tar_sidecars import may_be_caption, remarks_on, sample_of
from search.ingestion.sources.tar_streams import DAMAGED, Damaged, members, opened

HELD_BYTES = 256 * 1024 * 1024
"""Maximum bytes of pictures read ahead from an archive; beyond that, reading it waits."""
_TAR = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz)$", re.IGNORECASE)


def is_tar(path: str) -> bool:
    """Whether a file's name is that of a tar archive with a compression that Python reads."""
    return bool(_TAR.search(path))


def tar_listing(path: str, choices: Choices, findings: Findings, together: list[Part] | None = None) -> Listing:
    """Return the pictures in an archive; the count is known at its end.

    A Google Takeout archive is added to those that are read `together` with it, as ZIPs are.
    """
    together = [] if together is None else together
    own = GoogleTar(path, os.path.abspath(path)) if is_of_google(path) else None  # noqa: PTH100
    if own:
        together.append(own)
    return Listing(_items(path, choices, findings, own, together))


def versions_in_tar(path: str) -> Iterator[tuple[str, str]]:
    """Read an archive and yield (name, version) of its members. Raises DAMAGED and OSError."""
    version = version_of(os.stat(path))  # noqa: PTH116
    with opened(path) as archive:
        for number, member in enumerate(members(archive)):
            yield member.name, f"{version} {number}"


class _Held:
    """Counts the bytes of pictures read ahead."""

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
    """A picture that was read ahead: holds its bytes until they are read or it is garbage-collected."""

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


@dataclass
class _Sample:
    """Consecutive members with one name up to the suffix: a picture and its sidecars."""

    stem: str = ""
    texts: dict[str, bytes] = field(default_factory=dict)
    names_of_texts: list[str] = field(default_factory=list)
    has_picture: bool = False
    # At most one picture, with its name in the archive: bytes held make reading the archive wait.
    waiting: tuple[str, Item] | None = None


class _Reader:
    """Reads one archive."""

    def __init__(
        self, path: str, choices: Choices, findings: Findings, export: GoogleTar | None, together: Sequence[Part]
    ) -> None:
        self._parts: Parts | None = None
        if export:
            self._parts = Parts(export, together)
            self._finder = Sidecars(findings, self._parts.names, self._parts.siblings)
            for one in together:
                if isinstance(one, GoogleTar):
                    one.count(choices, findings)
        self._path, self._elsewhere, self._findings = path, choices.elsewhere, findings
        self._absolute, self._resolved = os.path.abspath(path), os.path.realpath(path)  # noqa: PTH100
        self._version = version_of(os.stat(path))  # noqa: PTH116
        self._members = Members(self._absolute, choices.rules, findings)
        self._held = _Held()
        self._sample = _Sample()

    def items(self) -> Iterator[Item]:
        try:
            with opened(self._path) as archive:
                for number, member in enumerate(members(archive)):
                    if member.isfile():
                        yield from self._member(archive, number, member)
        except (*DAMAGED, OSError):
            yield from self._ended()  # offer what came before the damage
            raise
        yield from self._ended()

    def _member(self, archive: tarfile.TarFile, number: int, member: tarfile.TarInfo) -> Iterator[Item]:
        name = member.name.removeprefix("./")
        stem, suffix = sample_of(name), suffix_of(name)
        if self._parts and suffix == "json":
            return  # read in advance by GoogleTar
        is_caption = may_be_caption(suffix, member.size)
        if not is_caption and is_of_another_kind(suffix):
            self._members.wants(name)  # to count it
            return
        if stem != self._sample.stem:
            yield from self._ended()
            self._sample = _Sample(stem)
        if is_caption:
            self._sample.texts[suffix] = _bytes(archive, member)
            self._sample.names_of_texts.append(name)
            return
        head = self._head(archive, member, name)
        if head is None:
            return
        before = self._sample.waiting
        double = redundant_raws([before[0], name]) if before else set()
        if name in double:
            self._members.passes_raw(name)
            return
        yield from self._taken(is_double=bool(double))
        self._sample.waiting = name, self._item(number, member, self._reading(archive, number, member, head))

    def _head(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> "_Head | None":
        """Return the part of a picture read for sniffing; None if it is not taken."""
        wanted = self._members.wants(name)
        if wanted is False:
            return None
        file = archive.extractfile(member)
        assert file
        if wanted:
            return _Head(file)
        data = file.read(HEAD)
        return _Head(file, data) if self._members.takes_unknown(name, data) else None

    def _reading(
        self, archive: tarfile.TarFile, number: int, member: tarfile.TarInfo, head: "_Head"
    ) -> Callable[[], bytes]:
        if member.size > most_bytes():
            return partial(_too_large, member.size)
        try:
            data = _rest(member, head)
        except MemoryError:
            return _no_memory
        return _Member(self._path, number, data, self._held).read

    def _item(self, number: int, member: tarfile.TarInfo, read: Callable[[], bytes]) -> Item:
        return Item(
            f"{self._path}/{member.name}",
            read,
            self._elsewhere.details_of(f"{self._absolute}/{plain_name(member.name)}"),
            address=storable(f"{self._resolved}/{member.name}"),
            version=f"{self._version} {number}",
            size=expected(member.size),
            changed=member.mtime,
            sidecars=self._sidecars(member.name.removeprefix("./")),
            of_folder=self._of_folder(folder_of(member.name.removeprefix("./"))),
        )

    def _sidecars(self, name: str) -> Callable[[], Mapping[str, bytes]]:
        """Return a reader of a picture's Google sidecars."""
        found = self._parts.of(self._finder, name) if self._parts else {}
        if not self._parts or not found:
            return no_sidecars
        return partial(read_sidecars, found, self._parts.beginning, self._findings)

    def _of_folder(self, folder: str) -> Callable[[], bytes]:
        """Return a reader of the Google metadata of a folder's album."""
        if not self._parts:
            return no_folder
        return partial(self._finder.of_folder, folder, self._parts.beginning)

    def _ended(self) -> Iterator[Item]:
        """Offer the picture of a sample that is complete."""
        sample = self._sample
        if not sample.waiting and not sample.has_picture:
            for name in sample.names_of_texts:
                self._members.wants(name)
        yield from self._taken()

    def _taken(self, *, is_double: bool = False) -> Iterator[Item]:
        sample = self._sample
        if not sample.waiting:
            return
        (name, item), sample.waiting, sample.has_picture = sample.waiting, None, True
        if is_double:
            self._members.passes_raw(name)
            return
        if sample.texts and item.sidecars is no_sidecars:
            self._findings.notes.extend((item.name, note) for note in remarks_on(sample.texts))
            item = replace(item, sidecars=partial(dict, sample.texts))
        yield item


@dataclass
class _Head:
    """A member being read, and the bytes read so far."""

    file: IO[bytes]
    data: bytes = b""


def _items(
    path: str, choices: Choices, findings: Findings, export: GoogleTar | None, together: Sequence[Part]
) -> Iterator[Item]:
    try:
        yield from _Reader(path, choices, findings, export, together).items()
    except Damaged as error:
        findings.problems.append((path, str(error)))
    except (*DAMAGED, OSError) as error:
        findings.problems.append((path, f"The rest of the archive can't be read: {error}"))


def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file
    return _rest(member, _Head(file))


def _rest(member: tarfile.TarInfo, head: _Head) -> bytes:
    data = head.data + head.file.read()
    if len(data) < member.size:
        raise EOFError(f"it ends within {member.name}")
    return data


def _found_again(path: str, number: int) -> bytes:
    """Read the archive up to a member again, for a second read of that picture."""
    try:
        with opened(path) as archive:
            for at, member in enumerate(members(archive)):
                if at == number:
                    return _bytes(archive, member)
    except DAMAGED as error:
        raise Unavailable(f"The archive can't be read: {error}") from error
    raise Unavailable("The archive has changed.")


def _too_large(size: int) -> bytes:
    refuse_if_large(size)
    raise AssertionError("the limit was raised meanwhile")


def _no_memory() -> bytes:
    raise no_memory()
