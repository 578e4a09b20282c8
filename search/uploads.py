"""Uploaded files are read no further than their limit: what is too large costs neither memory nor disk."""

from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler


class LimitedUploadHandler(TemporaryFileUploadHandler):
    """Writes a file to disk up to UPLOAD_MAX_MB; the rest is counted and dropped.

    The file then tells its true `size`, so that it is refused with a figure while the others in the same form are
    taken.
    """

    file: TemporaryUploadedFile

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        path = PurePath(file_name)
        # Django makes the ending part of a name on disk, where 255 bytes are the most.
        super().new_file(field_name, path.stem + path.suffix[:16], *args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received <= settings.UPLOAD_MAX_MB * 1_000_000:
            super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        file = super().file_complete(file_size)
        if file_size > settings.UPLOAD_MAX_MB * 1_000_000:
            self.file.truncate(0)
        return file
