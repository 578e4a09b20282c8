"""Archives read together, as parts of one export: a picture in one, its sidecar in another."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from django.utils.functional import cached_property

from search.ingestion.items import Unavailable
from search.ingestion.sources.file_names import suffix_of
from search.ingestion.sources.listing import Findings
from search.ingestion.sources.member_selection import Members
from search.ingestion.sources.options import Choices
from search.ingestion.sources.sidecars import Sidecars
from search.ingestion.sources.tar_streams import DAMAGED, members, opened
from search.metadata import LONGEST_SIDECAR

_NOT_OF_OTHERS = (".xmp", ".txt")
_OF_GOOGLE = "Takeout/"
MOST_KEPT = 256_000_000
"""Maximum bytes, compressed, of the sidecars kept of one tar archive: some hundred thousand sidecars."""


def folder_of(member: str) -> str:
    """Return the folder of a member of an archive."""
    return member.replace("\\", "/").rpartition("/")[0]


class Part(Protocol):
    """An archive whose members can be looked up."""

    @property
    def folders(self) -> Mapping[str, Mapping[str, Any]]:
        """The names in each folder."""

    def siblings(self, folder: str) -> list[str]:
        """Return the sibling folders of `folder`, itself included."""

    def beginning(self, path: str) -> bytes:
        """Return a sidecar, or its first bytes: at most one byte more than allowed. Raises Unavailable and OSError."""


class Parts:
    """An archive and those that are read together with it.

    From the others only Google's JSON sidecars are used, and only for names that have no picture there.
    """

    def __init__(self, own: Part, together: Sequence[Part]) -> None:
        self._own, self._together = own, together

    @property
    def _others(self) -> list[Part]:
        return [one for one in self._together if one is not self._own]

    def names(self, folder: str) -> list[str]:
        own = self._own.folders.get(folder, {})
        if not folder:
            return list(own)
        # Includes pictures: where a truncated sidecar name could belong to two pictures, it is assigned to neither.
        others = (name for one in self._others for name in one.folders.get(folder, {}))
        return [*own, *(name for name in others if not name.lower().endswith(_NOT_OF_OTHERS))]

    def siblings(self, folder: str) -> list[str]:
        return list(dict.fromkeys(one for part in [self._own, *self._others] for one in part.siblings(folder)))

    def of(self, finder: Sidecars, member: str) -> dict[str, str]:
        """Return the paths of a member's sidecars, by suffix."""
        folder, _, name = member.replace("\\", "/").rpartition("/")

        def are_its(path: str) -> bool:
            its_folder, holder = path.rpartition("/")[0], self._holder(path)
            return holder is self._own or name not in holder.folders.get(its_folder, {})

        return finder.of(folder, name, are_its)

    def beginning(self, path: str) -> bytes:
        return self._holder(path).beginning(path)

    def _holder(self, path: str) -> Part:
        folder, _, name = path.rpartition("/")
        return next(one for one in [self._own, *self._others] if name in one.folders.get(folder, {}))


def is_of_google(path: str) -> bool:
    """Whether a tar archive is a part of a Google Takeout export: all its members are in one folder."""
    try:
        with opened(path) as archive:
            first = next(members(archive), None)
    except (*DAMAGED, OSError):  # reading it will raise the reason
        return False
    return first is not None and first.name.startswith(_OF_GOOGLE)


class GoogleTar:
    """The sidecars of a Google Takeout tar archive. It is read in full for them, since they may be far from their
    pictures."""

    def __init__(self, path: str, root: str) -> None:
        """`root` is the absolute path."""
        self._path, self._root, self._is_counted = path, root, False

    @cached_property
    def folders(self) -> dict[str, dict[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        room = MOST_KEPT
        try:
            with opened(self._path) as archive:
                for member in members(archive):
                    data = b""
                    if (
                        suffix_of(member.name) == "json"
                        and member.isfile()
                        and member.size <= LONGEST_SIDECAR
                        and room > 0
                    ):
                        file = archive.extractfile(member)
                        data = zlib.compress(file.read(), 1) if file else b""
                        room -= len(data)
                    folder, _, name = member.name.removeprefix("./").rpartition("/")
                    if member.isfile():
                        found.setdefault(folder, {})[name] = data
        except (*DAMAGED, OSError):
            pass  # use what comes before the damage; reading the pictures will report it
        return found

    def siblings(self, folder: str) -> list[str]:
        above = folder.rpartition("/")[0]
        return [one for one in self.folders if one.rpartition("/")[0] == above]

    def beginning(self, path: str) -> bytes:
        folder, _, name = path.rpartition("/")
        data = self.folders[folder][name]
        if not data:
            raise Unavailable("It is too long, or there are too many of them.")
        return zlib.decompress(data)

    def count(self, choices: Choices, findings: Findings) -> None:
        """Count the sidecars as files that are not read, once; those that belong to a picture are uncounted later."""
        if not self._is_counted:
            self._is_counted = True
            own = Members(self._root, choices.rules, findings)
            for folder, names in self.folders.items():
                for name in names:
                    if suffix_of(name) == "json":
                        own.wants(f"{folder}/{name}" if folder else name)
