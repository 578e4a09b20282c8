"""The maximum size of a request body for each address: larger ones are refused by their headers, and files are written
up to their limit. The bytes themselves: `imagesearch.request_bodies`."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest

from search.objects.disk_full import DISK_FULL, NoRoom

MANY_PICTURES = "upload"
"""The address that accepts several pictures in one form."""
ONE_PICTURE = {"search-by-picture", "read-picture", "share", "api:add-image", "api:search-picture"}
"""Addresses that accept one picture."""
A_TABLE = "admin:search_vocabularytag_import"
"""The address that accepts a table of tags. All others accept no files."""
LARGEST_TABLE = 5_000_000
_ONE = MappingProxyType({"picture": 1})
"""Form field and number of files for these addresses."""
_SPARE = 64 * 1024
"""Bytes for the headers of a form's parts."""
_KEPT_FREE = 100_000_000
"""Bytes of the temporary folder that uploads leave free."""


class DiskFull(NoRoom):
    """The temporary folder has no room for an upload."""

    def __init__(self) -> None:
        super().__init__(f"{_folder()} has no room for the upload.")


class TooLarge(RequestDataTooBig):
    """A body above the `limit` of its address; `picture` is the size of its only picture, if known."""

    def __init__(self, limit: int, *, picture: int | None = None) -> None:
        super().__init__(f"The body has more than {limit:,} bytes.")
        self.limit, self.picture = limit, picture


def fits_the_disk(length: int) -> bool:
    """Whether the temporary folder has room for a body of this length."""
    return length <= _SPARE or shutil.disk_usage(_folder()).free >= length + _KEPT_FREE


@contextmanager
def disk_full_raised() -> Iterator[None]:
    """Raise DiskFull when a write finds the disk full."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DiskFull from error
        raise


def _folder() -> str:
    return str(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())


def most_bytes(name: str) -> int:
    """Return the maximum size of a request body for the address of this name."""
    without_files = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + _SPARE
    if name == MANY_PICTURES:
        return without_files + int(max(settings.UPLOAD_MAX_REQUEST_MB, settings.UPLOAD_MAX_MB) * 1_000_000)
    if name == A_TABLE:
        return without_files + LARGEST_TABLE
    return without_files + int(settings.UPLOAD_MAX_MB * 1_000_000 if name in ONE_PICTURE else 0)


def files_taken(name: str) -> Mapping[str, int]:
    if name == MANY_PICTURES:
        return {"pictures": int(settings.UPLOAD_MAX_FILES)}
    if name == A_TABLE:
        return {"table": 1}
    return _ONE if name in ONE_PICTURE else {}


class LimitedUploadHandler(TemporaryFileUploadHandler):
    """Writes files to disk up to UPLOAD_MAX_MB each, at most the number `taken` per field; the rest is counted and
    discarded.

    Each file has its true `size`, so that it can be refused with a figure while the others in the form are accepted.
    Raises DiskFull.
    """

    file: TemporaryUploadedFile

    def __init__(self, request: HttpRequest | None = None, taken: Mapping[str, int] = _ONE) -> None:
        super().__init__(request)
        self._left = Counter(taken)

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        path = PurePath(file_name)
        with self._interrupted_when_full():
            # Django uses the suffix in the name on disk, which is limited to 255 bytes.
            super().new_file(field_name, path.stem + path.suffix[:16], *args, **kwargs)
        self.received = 0
        self._room = settings.UPLOAD_MAX_MB * 1_000_000 if self._left[field_name] > 0 else 0
        self._left[field_name] -= 1

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received <= self._room:
            with self._interrupted_when_full():
                super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        with self._interrupted_when_full():
            file = super().file_complete(file_size)
            if file_size > self._room:
                self.file.truncate(0)
        return file

    @contextmanager
    def _interrupted_when_full(self) -> Iterator[None]:
        try:
            with disk_full_raised():
                yield
        except DiskFull:
            self.upload_interrupted()  # removes the file
            raise
