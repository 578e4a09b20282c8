"""Find and read the sidecars of pictures, in any source."""

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from search.ingestion.items import Unavailable
from search.ingestion.sources.file_names import kind_of
from search.ingestion.sources.listing import Findings
from search.metadata import LONGEST_SIDECAR
from search.metadata.sidecar_names import Neighbours

_KEPT = 64
"""Number of folders whose names are cached."""
_OF_A_YEAR = re.compile(r"(?<!\d)(19|20)\d\d(?!\d)")


class Sidecars:
    """Finds the sidecars of pictures in one source. Not thread-safe.

    A file found to be a sidecar is no longer counted as not read.
    """

    def __init__(
        self,
        findings: Findings,
        names: Callable[[str], Iterable[str]],
        folders: Callable[[str], Iterable[str]] = lambda folder: (),
    ) -> None:
        """`names` lists the files in a folder, and `folders` its sibling folders, itself included."""
        self._findings, self._names, self._folders = findings, names, folders
        self._known: OrderedDict[str, Neighbours] = OrderedDict()
        self._albums: OrderedDict[str, list[str]] = OrderedDict()
        self._taken: set[int] = set()

    def of(self, folder: str, name: str, are_its: Callable[[str], bool] = lambda path: True) -> dict[str, str]:
        """Return the paths of a picture's sidecars, by suffix: in `folder`, or, for a picture in a Google album, in
        the folder of its year. Paths for which `are_its` is false belong to another picture of that name."""
        neighbours = self._in(folder)
        found = {suffix: _joined(folder, one) for suffix, one in neighbours.of(name).items()}
        if "json" not in found and neighbours.about_album:
            found |= self._of_year(folder, name)
        found = {suffix: path for suffix, path in found.items() if are_its(path)}
        for path in found.values():
            self._take(path)
        return found

    def of_folder(self, folder: str, read: Callable[[str], bytes]) -> bytes:
        """Return the album metadata of a Google Takeout folder; b"" if there is none."""
        name = self._in(folder).about_album
        if name is None:
            return b""
        path = _joined(folder, name)
        self._take(path)
        return read_sidecars({"json": path}, read, self._findings).get("json", b"")

    def _of_year(self, folder: str, name: str) -> dict[str, str]:
        if folder not in self._albums:
            self._albums[folder] = [one for one in self._folders(folder) if _OF_A_YEAR.search(one.rpartition("/")[2])]
            _shorten(self._albums)
        found = [_joined(one, path) for one in self._albums[folder] if (path := self._in(one).of(name).get("json"))]
        # If several years have a picture of that name, it is unknown which one this is.
        return {"json": found[0]} if len(found) == 1 else {}

    def _in(self, folder: str) -> Neighbours:
        found = self._known.get(folder)
        if found is None:
            found = self._known[folder] = Neighbours(self._names(folder))
            _shorten(self._known)
        self._known.move_to_end(folder)
        return found

    def _take(self, path: str) -> None:
        if hash(path) not in self._taken:
            self._taken.add(hash(path))
            self._findings.is_sidecar(path, kind_of(path.rpartition(".")[2].lower()))


def _shorten(known: "OrderedDict[str, Any]") -> None:
    while len(known) > _KEPT:
        known.popitem(last=False)


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and not folder.endswith("/") else folder + name


def last_changed(paths: Iterable[str]) -> float | None:
    """Return the latest modification or arrival (ctime) of these files; None for none."""
    times = []
    for path in paths:
        with suppress(OSError):  # reading it will raise the reason
            status = os.stat(path)  # noqa: PTH116
            times.append(max(status.st_mtime, status.st_ctime))
    return max(times, default=None)


def read_sidecars(paths: Mapping[str, str], read: Callable[[str], bytes], findings: Findings) -> dict[str, bytes]:
    """Return the contents of sidecars by suffix; unreadable and too long ones are noted and left out."""
    found = {}
    for suffix, path in paths.items():
        try:
            data = read(path)
        except (Unavailable, OSError) as error:
            findings.notes.append((path, f"This sidecar can't be read: {error}"))
            continue
        if len(data) > LONGEST_SIDECAR:
            findings.notes.append((path, f"It has more than {LONGEST_SIDECAR:,} bytes and was left out."))
            continue
        found[suffix] = data
    return found
