"""Files, folders and globs as typed on a command line."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from search.ingestion.items import Details, Item
from search.ingestion.sources.listing import Findings, Listing
from search.ingestion.sources.names import is_hidden, is_picture_name, storable

AHEAD = 100_000
"""Files that are listed before the first is read, so that it is known how long it will take. A folder that has more
of them is listed as it goes on."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path as the person would write it, and with all links resolved."""

    path: str
    resolved: str


class Walk:
    """Finds files; each of them, and each folder, once, however many links and arguments lead there.

    Below a folder only names that end like a picture's count. Hidden names, sockets, pipes and devices are left alone.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._folders: set[tuple[int, int]] = set()
        self._files: set[str] = set()

    def named(self, path: str) -> Iterator[Found]:
        """Find what was named: a file whatever it is called, or what lies below a folder."""
        try:
            status = os.stat(path)  # noqa: PTH116 - paths are plain text here, millions of them
        except OSError as error:
            self._findings.problems.append((path, error.strerror or str(error)))
            return
        if stat.S_ISREG(status.st_mode):
            yield from self.file(path)
        elif stat.S_ISDIR(status.st_mode):
            yield from self._below(path)
        else:
            self._findings.problems.append((path, "This is neither a file nor a folder."))

    def matched(self, path: str) -> Iterator[Found]:
        """Find what a glob matched."""
        if Path(path).is_dir():
            yield from self._below(path)
        elif is_picture_name(path) and Path(path).is_file():
            yield from self.file(path)

    def file(self, path: str) -> Iterator[Found]:
        """Find one file, unless it was found before."""
        resolved = os.path.realpath(path)
        if resolved not in self._files and not self._was_below(path):
            self._files.add(resolved)
            yield Found(path, resolved)

    def _was_below(self, path: str) -> bool:
        """Whether a file was offered with the folder that it lies in."""
        name = os.path.basename(path)  # noqa: PTH119
        if not is_picture_name(name) or is_hidden(name):
            return False
        folder = os.stat(os.path.dirname(path) or ".")  # noqa: PTH116, PTH120
        return (folder.st_dev, folder.st_ino) in self._folders

    def _below(self, folder: str) -> Iterator[Found]:
        # A stack, not recursion: trees may be deeper than Python's own.
        waiting = [self._entries(folder)]
        resolved = [os.path.realpath(folder)]
        while waiting:
            entry = next(waiting[-1], None)
            if entry is None:
                waiting.pop()
                resolved.pop()
            elif _is_folder(entry):
                waiting.append(self._entries(entry.path, is_link=entry.is_symlink()))
                resolved.append(os.path.realpath(entry.path))
            elif is_picture_name(entry.name) and _is_file(entry):
                place = os.path.realpath(entry.path) if entry.is_symlink() else f"{resolved[-1]}/{entry.name}"
                if place not in self._files:
                    yield Found(entry.path, place)

    def _entries(self, folder: str, *, is_link: bool = False) -> Iterator["os.DirEntry[str]"]:
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in self._folders:
                return iter(())
            self._folders.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                return iter(sorted((one for one in entries if not is_hidden(one.name)), key=lambda one: one.name))
        except OSError as error:
            if not is_link:  # a link below a folder that leads nowhere is nothing that was asked for
                self._findings.problems.append((folder, error.strerror or str(error)))
            return iter(())


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:  # links in a circle
        return False


def items_of(found: Iterable[Found], details: Mapping[Path, Details]) -> Iterator[Item]:
    """Offer files, each with its size and time of change as the version."""
    for one in found:
        yield item_of(one, details)


def item_of(found: Found, details: Mapping[Path, Details]) -> Item:
    """Return a file as an item."""
    read = partial(_read, found.path)
    try:
        status = os.stat(found.path)  # noqa: PTH116
    except OSError:  # reading it will tell why
        return Item(found.path, read)
    return Item(
        found.path,
        read,
        details.get(Path(found.resolved), Details()) if details else Details(),
        address=storable(found.resolved),
        version=version_of(status),
    )


def version_of(status: os.stat_result) -> str:
    """Return what changes when a file does."""
    return f"{status.st_size} {status.st_mtime_ns}"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def files(found: Iterator[Found], details: Mapping[Path, Details]) -> Listing:
    """Return files as a listing whose count is known unless they are very many."""
    first = list(islice(found, AHEAD))
    rest = next(found, None) if len(first) == AHEAD else None
    if rest is None:
        return Listing(items_of(first, details), len(first))
    return Listing(items_of(chain(first, [rest], found), details))
