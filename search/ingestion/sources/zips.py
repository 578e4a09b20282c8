"""ZIP archives, read where they lie."""

import os
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import IO, TYPE_CHECKING

from search.ingestion.items import Item, Unavailable
from search.ingestion.sources.files import version_of
from search.ingestion.sources.listing import MOST_BYTES, Findings, Listing
from search.ingestion.sources.manifest import UNSPLASH_PHOTOS, table_listing
from search.ingestion.sources.names import is_offered, storable

if TYPE_CHECKING:
    from search.fetching.downloads import Downloads

_ENCRYPTED = 0x1
_DAMAGED = (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises for damage, for methods that it doesn't know and for wrong passwords; zlib's is a subclass of
none, see `_read`."""


def is_zip(path: str) -> bool:
    """Whether a file's name is that of a ZIP archive."""
    return path.lower().endswith(".zip")


def zip_listing(path: str, findings: Findings, downloads: "Downloads", *, width: int) -> Listing:
    """Return the pictures in an archive; of the archive that Unsplash offers, those that its tables of photos name."""
    try:
        archive = _Archive(path)
    except (*_DAMAGED, OSError) as error:
        findings.problems.append((path, f"This ZIP archive can't be read: {error}"))
        return Listing([], 0)
    tables = [one for one in archive.members if UNSPLASH_PHOTOS.search(one.filename)]
    pictures = [one for one in archive.members if is_offered(one.filename)]
    if not tables or pictures:
        return Listing(_items(archive, pictures), len(pictures))
    listings = [
        table_listing(
            f"{path}/{one.filename}", partial(archive.opened, one), one.file_size, findings, downloads, width=width
        )
        for one in tables
    ]
    counts = [listing.count for listing in listings]
    items = (item for listing in listings for item in listing.items)
    return Listing(items, None if None in counts else sum(count or 0 for count in counts))


class _Archive:
    """An open archive that many threads read from."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.version = version_of(os.stat(path))  # noqa: PTH116
        self._file = zipfile.ZipFile(path)
        self._lock = threading.Lock()
        self.members = [one for one in self._file.infolist() if not one.is_dir()]

    def opened(self, member: zipfile.ZipInfo) -> IO[bytes]:
        # The readers share one file with a lock of its own, but are counted without one.
        with self._lock:
            return self._file.open(member)

    def read(self, member: zipfile.ZipInfo) -> bytes:
        if member.flag_bits & _ENCRYPTED:
            raise Unavailable("It is encrypted in the archive.")
        try:
            with self.opened(member) as file:
                data = file.read(MOST_BYTES + 1)
        except OSError:
            raise
        except Exception as error:  # zlib.error, lzma.LZMAError and those of zipfile have nothing in common
            raise Unavailable(f"It is damaged in the archive: {error}") from error
        # What the archive says of sizes may be wrong.
        if len(data) > MOST_BYTES:
            raise Unavailable(f"It has more than {MOST_BYTES / 1024**2:,.0f} MB.")
        return data


def _items(archive: _Archive, members: list[zipfile.ZipInfo]) -> Iterator[Item]:
    for member in members:
        name = f"{archive.path}/{member.filename}"
        address = storable(f"{os.path.realpath(archive.path)}/{member.filename}")
        # Two members may have one name.
        version = f"{archive.version} {member.header_offset}"
        yield Item(name, partial(archive.read, member), address=address, version=version)
