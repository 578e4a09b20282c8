"""Pictures in ZIP archives, read in place."""

import datetime as dt
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from django.conf import settings

from search.ingestion.items import Item, Unavailable
from search.ingestion.sources.byte_limits import expected, read_within
from search.ingestion.sources.file_names import is_picture_name, plain_name, redundant_raws, storable
from search.ingestion.sources.listing import Findings, Listing
from search.ingestion.sources.local_files import version_of
from search.ingestion.sources.member_selection import Members
from search.ingestion.sources.multi_part_archives import Part, Parts, folder_of
from search.ingestion.sources.options import Choices
from search.ingestion.sources.sidecars import Sidecars, read_sidecars
from search.ingestion.sources.sniffing import HEAD, head_of
from search.ingestion.sources.url_tables import UNSPLASH_PHOTOS, table_listing
from search.ingestion.sources.zip_names import set_names, spellings_of
from search.ingestion.unread_files import SPLIT, kind_of_archive
from search.metadata import LONGEST_SIDECAR

if TYPE_CHECKING:
    from search.fetching.downloads import Downloads

_ENCRYPTED = 0x1
_ZIP64_VOLUME = 0xFFFF
_DAMAGED = (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError)
"""Exceptions of zipfile for damage, unknown compression methods and wrong passwords. zlib.error is not among them, see
`_read`."""


def is_zip(path: str) -> bool:
    """Whether a file's name is that of a ZIP archive."""
    return path.lower().endswith(".zip")


def zip_listing(
    path: str, choices: Choices, findings: Findings, downloads: "Downloads", together: list[Part] | None = None
) -> Listing:
    """Return the pictures in an archive; for Unsplash's archive, the pictures that its photo tables name.

    The archive is added to those that are read `together`: Google splits an export over several, and a picture's
    sidecar may be in another one.
    """
    together = [] if together is None else together
    try:
        archive = _Archive(path)
    except (*_DAMAGED, OSError) as error:
        findings.problems.append((path, f"This ZIP archive can't be read: {_explained(path, error)}"))
        return Listing([], 0)
    if _is_split(archive):
        findings.problems.append((path, SPLIT))
        return Listing([], 0)
    tables = [one for one in archive.members if UNSPLASH_PHOTOS.search(one.filename)]
    if not tables or any(is_picture_name(one.filename) for one in archive.members):
        pictures = _pictures(archive, choices, findings)
        together.append(archive)
        return Listing(_items(archive, pictures, choices, findings, together), len(pictures))
    listings = [
        table_listing(
            f"{path}/{one.filename}",
            partial(archive.opened, one),
            one.file_size,
            findings,
            downloads,
            width=choices.width,
        )
        for one in tables
    ]
    counts = [listing.count for listing in listings]
    items = (item for listing in listings for item in listing.items)
    return Listing(items, None if None in counts else sum(count or 0 for count in counts))


def _explained(path: str, error: Exception) -> str:
    """Return an error of zipfile; it says only "not a zip file" of an archive without its end."""
    if isinstance(error, zipfile.BadZipFile) and kind_of_archive(head_of(path)) == ".zip":
        return f"its end is missing or damaged, as after an interrupted download ({error})"
    return str(error)


def _is_split(archive: "_Archive") -> bool:
    """Whether members begin in other files. (The number of ZIP64 stands elsewhere.)"""
    return any(0 < one.volume < _ZIP64_VOLUME for one in archive.members)


def versions_in_zip(path: str) -> Iterator[tuple[str, str]]:
    """Yield (name, version) of the members of an archive. Raises what zipfile raises, and OSError."""
    archive = _Archive(path)
    for member in archive.members:
        # Earlier versions recorded names as zipfile reads them.
        for name in {member.filename, member.orig_filename}:
            yield name, _version(archive, member)


class _Parked(io.RawIOBase):
    """A file that is open only during reads: a run may have thousands of archives.

    Raises OSError once another file has its name.
    """

    def __init__(self, path: str) -> None:
        self._path, self._at = path, 0
        status = os.stat(path)  # noqa: PTH116
        self.version, self._size = version_of(status), status.st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise OSError("a place before its start")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        with open(self._path, "rb", buffering=0) as file:  # noqa: PTH123
            if version_of(os.fstat(file.fileno())) != self.version:
                raise OSError("The archive has changed.")
            file.seek(self._at)
            count = file.readinto(buffer)
        self._at += count
        return count


class _Archive:
    """An archive that many threads read from."""

    def __init__(self, path: str) -> None:
        self.path = path
        parked = _Parked(path)
        self.version = parked.version
        self._file = zipfile.ZipFile(cast("IO[bytes]", io.BufferedReader(parked)))
        self._lock = threading.Lock()
        set_names(self._file.infolist())
        self.members = [one for one in self._file.infolist() if not one.filename.endswith(("/", "\\"))]
        # By folder, to find sidecars.
        self.folders: dict[str, dict[str, zipfile.ZipInfo]] = {}
        for one in self.members:
            folder, _, name = one.filename.replace("\\", "/").rpartition("/")
            self.folders.setdefault(folder, {})[name] = one

    def opened(self, member: zipfile.ZipInfo) -> IO[bytes]:
        # zipfile locks reads of the shared file, but not its reference count.
        with self._lock:
            return self._file.open(member)

    def read(self, member: zipfile.ZipInfo) -> bytes:
        if member.flag_bits & _ENCRYPTED:
            raise Unavailable("It is encrypted in the archive: unpack it with its password.")
        try:
            with self.opened(member) as file:
                # The archive's sizes may be wrong, but zipfile returns no more than they say.
                return read_within(file, member.file_size)
        except (OSError, Unavailable):
            raise
        except NotImplementedError as error:  # such as Deflate64, which Windows uses for large files
            raise Unavailable(f"Its compression is not supported; unpack the archive: {error}") from error
        except Exception as error:  # zlib.error, lzma.LZMAError and zipfile's have no common base
            raise Unavailable(f"It is damaged in the archive: {error}") from error

    def siblings(self, folder: str) -> list[str]:
        """Return the sibling folders of `folder`, itself included."""
        above = folder.rpartition("/")[0]
        return [one for one in self.folders if one.rpartition("/")[0] == above]

    def beginning(self, path: str) -> bytes:
        """Return a sidecar, or placeholder bytes longer than allowed. Raises Unavailable and OSError."""
        folder, _, name = path.rpartition("/")
        member = self.folders[folder][name]
        if member.file_size > LONGEST_SIDECAR:
            return bytes(LONGEST_SIDECAR + 1)
        return self.read(member)

    def head(self, member: zipfile.ZipInfo) -> bytes:
        """Return the first bytes of a member; none if it can't be read."""
        try:
            with self.opened(member) as file:
                return file.read(HEAD)
        except Exception:  # see `read`
            return b""


def _pictures(archive: _Archive, choices: Choices, findings: Findings) -> list[zipfile.ZipInfo]:
    members = Members(os.path.abspath(archive.path), choices.rules, findings)  # noqa: PTH100
    for one in archive.members:
        members.hides(one.filename)
    taken = [one for one in archive.members if members.takes(one.filename, partial(archive.head, one))]
    doubles = redundant_raws(one.filename for one in taken)
    for name in doubles:
        members.passes_raw(name)
    return [one for one in taken if one.filename not in doubles]


def _items(
    archive: _Archive,
    members: list[zipfile.ZipInfo],
    choices: Choices,
    findings: Findings,
    together: list[Part],
) -> Iterator[Item]:
    parts = Parts(archive, together)
    finder = Sidecars(findings, parts.names, parts.siblings)
    folder = os.path.abspath(archive.path)  # noqa: PTH100
    shared = choices.elsewhere.meant(_paths(folder, member) for member in members)
    for member in members:
        name = f"{archive.path}/{member.filename}"
        address = storable(f"{os.path.realpath(archive.path)}/{member.filename}")
        yield Item(
            name,
            partial(archive.read, member),
            choices.elsewhere.details_of(*_paths(folder, member), shared=shared),
            address=address,
            version=_version(archive, member),
            size=expected(member.file_size),
            sidecars=partial(read_sidecars, parts.of(finder, member.filename), parts.beginning, findings),
            of_folder=partial(finder.of_folder, folder_of(member.filename), parts.beginning),
            changed=_changed(member),
        )


def _version(archive: _Archive, member: zipfile.ZipInfo) -> str:
    # Two members may have the same name.
    return f"{archive.version} {member.header_offset}"


def _changed(member: zipfile.ZipInfo) -> float | None:
    """Return the modification time of a member; ZIP stores local time without a zone."""
    zone = ZoneInfo(settings.PHOTO_TIME_ZONE) if settings.PHOTO_TIME_ZONE else dt.UTC
    try:
        return dt.datetime(*member.date_time, tzinfo=zone).timestamp()
    except ValueError:  # as for a missing date
        return None


def _paths(folder: str, member: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the possible spellings of a member's path in a table; its name may be in the code page of a Korean
    Windows."""
    return tuple(f"{folder}/{name}" for name in dict.fromkeys(map(plain_name, spellings_of(member))))
