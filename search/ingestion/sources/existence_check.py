"""Check whether something ingested still exists: a file, a member of an archive, an object in a bucket."""

import os
import re
import stat
import uuid
from collections import OrderedDict
from collections.abc import Iterable

from search.ingestion.sources.file_names import storable
from search.ingestion.sources.local_files import version_of
from search.ingestion.sources.tars import is_tar, versions_in_tar
from search.ingestion.sources.zips import is_zip, versions_in_zip
from search.models.origins import origin_id
from search.objects import other_buckets, storage

_KEPT = 8
"""Number of archives whose member lists are cached."""
_IN_ARCHIVE = re.compile(r"\.(zip|tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz)/", re.IGNORECASE)


def is_in_archive(address: str) -> bool:
    """Whether an address is within an archive, or below a folder with the name of one."""
    return bool(_IN_ARCHIVE.search(address))


def empty_folder(folder: str) -> str | None:
    """Return the first existing folder, of this one and its ancestors, if it is empty: a disk may be missing that is
    mounted there."""
    while folder != "/":
        try:
            return None if os.listdir(folder) else folder
        except (FileNotFoundError, NotADirectoryError):
            folder = os.path.dirname(folder)  # noqa: PTH120
        except OSError:  # as for a drive that hangs
            return folder
    return None


class ExistenceCheck:
    """Checks addresses. What can't be checked, as the web and storages that don't respond, counts as existing."""

    def __init__(self) -> None:
        self._archives: OrderedDict[str, tuple[str, dict[str, set[str]]]] = OrderedDict()

    def has(self, address: str, origin: uuid.UUID) -> bool:
        """Whether the version whose origin id this is still exists at the address."""
        found = self._versions(address)
        if found is None:
            return True
        return any(origin_id(address, version) == origin for version in found)

    def is_missing(self, address: str) -> bool:
        """Whether nothing is at an address."""
        if address.startswith("/"):
            try:
                os.lstat(address)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError:
                return False
            else:
                return False
        return self._versions(address) == set()

    def has_left(self, address: str) -> bool:
        """Whether a file is gone from its address, and its disk is not missing."""
        if not address.startswith("/") or not self.is_missing(address):
            return False
        return empty_folder(os.path.dirname(self._archive(address) or address)) is None  # noqa: PTH120

    def is_gone(self, address: str) -> bool:
        """Whether nothing is at an address, in a folder that exists and is not empty: otherwise its disk may be
        missing."""
        try:
            folder = os.path.dirname(self._archive(address) or address)  # noqa: PTH120
            return address.startswith("/") and bool(os.listdir(folder)) and self.is_missing(address)
        except OSError:
            return False

    def _versions(self, address: str) -> Iterable[str] | None:
        """Return the versions at an address now; None if unknown."""
        if address.startswith(other_buckets.SCHEME):
            try:
                version = storage.version_in_place(address)
            except storage.UnreachableOriginal:
                return None
            return set() if version is None else {version}
        if not address.startswith("/"):
            return None
        try:
            status = os.stat(address)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            # Names that are not valid text were stored with escapes.
            return None if "\\" in address else self._in_archive(address)
        except OSError:
            return None
        return {version_of(status)} if stat.S_ISREG(status.st_mode) else set()

    def _in_archive(self, address: str) -> Iterable[str] | None:
        archive = self._archive(address)
        if archive is None:
            return set()
        try:
            version = version_of(os.stat(archive))  # noqa: PTH116
            known, members = self._archives.get(archive, ("", {}))
            if known != version:
                members = _members(archive)
                self._archives[archive] = version, members
        except Exception:  # a damaged archive may raise anything
            return None
        self._archives.move_to_end(archive)
        while len(self._archives) > _KEPT:
            self._archives.popitem(last=False)
        return members.get(address, set())

    def _archive(self, address: str) -> str | None:
        """Return the archive of an address, if there is one."""
        for match in _IN_ARCHIVE.finditer(address):
            path = address[: match.end() - 1]
            if os.path.isfile(path):  # noqa: PTH113
                return path
        return None


def _members(archive: str) -> dict[str, set[str]]:
    """Return the versions of all members by address. Raises what reading the archive raises."""
    found: dict[str, set[str]] = {}
    members = versions_in_zip(archive) if is_zip(archive) else versions_in_tar(archive) if is_tar(archive) else ()
    for name, version in members:
        found.setdefault(storable(f"{archive}/{name}"), set()).add(version)
    return found
