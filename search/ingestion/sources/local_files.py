"""Files, folders and globs given on the command line."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from django.conf import settings

from search.curation.cleaned_details import Details
from search.ingestion.items import Item, no_sidecars
from search.ingestion.sources.byte_limits import expected, read_within
from search.ingestion.sources.exclusions import NO_MEDIA, USUAL, Rules, is_system_name
from search.ingestion.sources.file_names import (
    BROKEN_LINK,
    REDUNDANT,
    is_of_another_kind,
    is_picture_name,
    kind_of,
    redundant_raws,
    storable,
    suffix_of,
)
from search.ingestion.sources.listing import Findings, Listing
from search.ingestion.sources.sidecars import Sidecars, last_changed, read_sidecars
from search.ingestion.sources.sniffing import head_of, is_picture
from search.metadata import LONGEST_SIDECAR

AHEAD = 100_000
"""Files listed before the first is read, so that the total is known. A folder with more is listed while it is read."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path as the user would write it, and with all links resolved."""

    path: str
    resolved: str


def _own_folders() -> set[tuple[int, int]]:
    """Return our own media folder, as (device, inode)."""
    with suppress(OSError):  # there is none with object storage
        status = os.stat(settings.MEDIA_ROOT)  # noqa: PTH116
        return {(status.st_dev, status.st_ino)}
    return set()


class Walk:
    """Finds files and folders, each once, however many links and arguments lead to it.

    Below a folder only pictures count, by name, or by their first bytes if the name is inconclusive; other kinds are
    counted in the findings. Our own storage, entries that the rules skip, sockets, pipes and devices are ignored.
    """

    def __init__(self, findings: Findings, rules: Rules = USUAL, sniffed: dict[int, bool] | None = None) -> None:
        """`sniffed` caches whether files without a picture's name are pictures, for repeated scans."""
        self._findings, self._rules, self._sniffed = findings, rules, sniffed
        self._folders = _own_folders()
        self._files: set[str] = set()

    def knows(self, path: str) -> None:
        """Neither find nor count this file: it has another purpose."""
        self._files.add(os.path.realpath(path))

    def named(self, path: str) -> Iterator[Found]:
        """Find what the user named: a file of any name, or what is below a folder."""
        try:
            status = os.stat(path)  # noqa: PTH116 - paths are plain text here, millions of them
        except OSError as error:
            self._findings.problems.append((path, error.strerror or str(error)))
            return
        if self._rules.excludes(path):
            self._findings.leave_alone([path])
        elif stat.S_ISREG(status.st_mode):
            yield from self.file(path)
        elif not stat.S_ISDIR(status.st_mode):
            self._findings.problems.append((path, "This is neither a file nor a folder."))
        elif self._is_skipped_folder(path):
            self._findings.notes.append((path, _SKIPPED))
        else:
            yield from self._below(path)

    def matched(self, path: str, root: str) -> Iterator[Found]:
        """Find what a glob below the folder `root` matched."""
        if self._is_skipped(path, root):
            self._findings.leave_alone([path])
        elif Path(path).is_dir():
            yield from self._below(path)
        elif Path(path).is_file() and self._is_picture(path):
            yield from self.file(path)

    def file(self, path: str) -> Iterator[Found]:
        """Find one file, unless it was found before."""
        resolved = os.path.realpath(path)
        if resolved not in self._files and not self._was_below(path):
            self._files.add(resolved)
            yield Found(path, resolved)

    def _is_skipped_folder(self, folder: str) -> bool:
        """Whether a named folder, as from the shell's `photos/*`, is one that is skipped."""
        if self._rules.include_hidden:
            return False
        return is_system_name(_name(folder)) or os.path.lexists(f"{folder}/{NO_MEDIA}")

    def _is_skipped(self, path: str, root: str) -> bool:
        parts = path[len(root) :].strip("/").split("/")
        if self._rules.skips_any(os.path.abspath(root), parts):  # noqa: PTH100
            return True
        folders = ("/".join([root or ".", *parts[:depth]]) for depth in range(len(parts)))
        return not self._rules.include_hidden and any(os.path.lexists(f"{one}/{NO_MEDIA}") for one in folders)

    def _was_below(self, path: str) -> bool:
        """Whether a file was already offered with its folder."""
        folder, name = os.path.split(path)
        if not is_picture_name(name) or self._rules.leave(_name(folder), name):
            return False
        status = os.stat(folder or ".")  # noqa: PTH116
        return (status.st_dev, status.st_ino) in self._folders

    def _below(self, folder: str) -> Iterator[Found]:
        # A stack, not recursion: trees may be deeper than Python's recursion limit.
        waiting = [self._entries(folder)]
        resolved = [os.path.realpath(folder).rstrip("/")]
        while waiting:
            entry = next(waiting[-1], None)
            if entry is None:
                waiting.pop()
                resolved.pop()
            elif _is_folder(entry):
                waiting.append(self._entries(entry.path, is_link=entry.is_symlink()))
                resolved.append(_resolved(entry, resolved[-1]))
            elif _is_file(entry):
                place = _resolved(entry, resolved[-1])
                if place not in self._files and self._is_picture(entry.path):
                    if not is_picture_name(entry.name):  # the others are covered by their folder
                        self._files.add(place)
                    yield Found(entry.path, place)
            elif entry.is_symlink():
                self._findings.pass_by(entry.path, BROKEN_LINK)

    def _is_picture(self, path: str) -> bool:
        if is_picture_name(path):
            return True
        suffix = suffix_of(path)
        if not is_of_another_kind(suffix) and self._looks_like_one(path):
            return True
        self._findings.pass_by(path, kind_of(suffix))
        return False

    def _looks_like_one(self, path: str) -> bool:
        if self._sniffed is None:
            return is_picture(head_of(path))
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:  # gone again
            return False
        # ctime: a file that is unreadable for its permissions today is sniffed again when these change.
        key = hash((path, version_of(status), status.st_ctime_ns))
        if key not in self._sniffed:
            self._sniffed[key] = is_picture(head_of(path))
        return self._sniffed[key]

    def _entries(self, folder: str, *, is_link: bool = False) -> Iterator["os.DirEntry[str]"]:
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in self._folders:
                return iter(())
            self._folders.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                return iter(sorted(self._taken_from(folder, list(entries)), key=lambda one: one.name))
        except OSError as error:
            if not is_link:  # a broken link below a folder is ignored
                self._findings.problems.append((folder, error.strerror or str(error)))
            return iter(())

    def _taken_from(self, folder: str, entries: "list[os.DirEntry[str]]") -> "list[os.DirEntry[str]]":
        if not self._rules.include_hidden and any(one.name == NO_MEDIA for one in entries):
            self._findings.leave_alone([folder])
            return []
        parent = _name(folder)
        wanted = [
            one for one in entries if not (self._rules.leave(parent, one.name) or self._rules.excludes(one.path))
        ]
        if len(wanted) < len(entries):
            taken = {one.name for one in wanted}
            self._findings.leave_alone([one.path for one in entries if one.name not in taken])
        doubles = redundant_raws(one.name for one in wanted)
        for name in doubles:
            self._findings.pass_by(f"{folder}/{name}", f"{kind_of(suffix_of(name))} {REDUNDANT}")
        return [one for one in wanted if one.name not in doubles] if doubles else wanted


_SKIPPED = "It is skipped, as recycle bins, previews and .nomedia folders are; --include-hidden reads it."


def _name(folder: str) -> str:
    return os.path.basename(os.path.abspath(folder))  # noqa: PTH100, PTH119


def _resolved(entry: "os.DirEntry[str]", folder: str) -> str:
    """Return the real path of an entry, given that of its folder: realpath is slow in a deep tree."""
    return os.path.realpath(entry.path) if entry.is_symlink() else f"{folder}/{entry.name}"


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:  # circular links
        return False


def items_of(found: Iterable[Found], details: Mapping[Path, Details], findings: Findings) -> Iterator[Item]:
    """Yield files as items; the version is their size and modification time."""
    finder = sidecars_of_files(findings)
    for one in found:
        yield item_of(one, details, finder, findings)


def sidecars_of_files(findings: Findings) -> Sidecars:
    """Return a finder of the sidecars of files."""
    return Sidecars(findings, _names_in, _sibling_folders)


def _names_in(folder: str) -> list[str]:
    with suppress(OSError):  # reading the files will report it
        return os.listdir(folder or ".")
    return []


def _sibling_folders(folder: str) -> list[str]:
    above = os.path.dirname(os.path.abspath(folder))  # noqa: PTH100, PTH120
    with suppress(OSError), os.scandir(above) as entries:
        return sorted(entry.path for entry in entries if _is_folder(entry))
    return []


def item_of(found: Found, details: Mapping[Path, Details], finder: Sidecars, findings: Findings) -> Item:
    """Return a file as an item."""
    read = partial(_read, found.path)
    try:
        status = os.stat(found.path)  # noqa: PTH116
    except OSError:  # reading it will raise the reason
        return Item(found.path, read)
    paths = finder.of(*os.path.split(found.path))
    return Item(
        found.path,
        read,
        details.get(Path(found.resolved), Details()) if details else Details(),
        address=storable(found.resolved),
        version=version_of(status),
        size=expected(status.st_size),
        sidecars=partial(read_sidecars, paths, _beginning, findings),
        of_folder=partial(finder.of_folder, os.path.dirname(found.path), _beginning),  # noqa: PTH120
        changed=status.st_mtime,
        sidecars_changed=last_changed(paths.values()),
    )


def sidecar_reader(address: str, finder: Sidecars, findings: Findings) -> Callable[[], Mapping[str, bytes]]:
    """Return a reader of the sidecars of a file that still exists at its address; for other addresses, one that
    returns nothing."""
    if not address.startswith("/") or not os.path.isfile(address):  # noqa: PTH113
        return no_sidecars
    return partial(read_sidecars, finder.of(*os.path.split(address)), _beginning, findings)


def _beginning(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(LONGEST_SIDECAR + 1)


def version_of(status: os.stat_result) -> str:
    """Return a string that changes when the file does."""
    return f"{status.st_size} {status.st_mtime_ns}"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return read_within(file, os.fstat(file.fileno()).st_size)


def files(found: Iterator[Found], details: Mapping[Path, Details], findings: Findings) -> Listing:
    """Return files as a listing; the count is known unless there are very many."""
    first = list(islice(found, AHEAD))
    rest = next(found, None) if len(first) == AHEAD else None
    if rest is None:
        return Listing(items_of(first, details, findings), len(first))
    return Listing(items_of(chain(first, [rest], found), details, findings))
