"""Errors for a full disk, bucket or quota."""

import errno
import tempfile
from collections.abc import Iterator

from django.conf import settings

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL_FOR = 600.0
"""Seconds that a command waits for free space."""
_POSTGRESQL_DISK_FULL = "53100"
_BUCKET_FULL = frozenset(
    {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "StorageFull"}
)


class NoRoom(Exception):
    """There is no space left. The message says where, for the operator."""


def is_bucket_full(code: str, status: object) -> bool:
    """Whether this error code or HTTP status of an S3 server means that a disk or a quota is full."""
    return code in _BUCKET_FULL or status == 507


def no_room(error: BaseException | None) -> str:
    """Return a sentence on what is full, if that caused `error`; else ""."""
    for one in _chain(error):
        if isinstance(one, NoRoom):
            return str(one)
        if getattr(one, "sqlstate", None) == _POSTGRESQL_DISK_FULL:
            return f"The disk of the database is full: {_first_line(one)}."
        if isinstance(one, OSError) and one.errno in DISK_FULL:
            return f"{one.filename or tempfile.gettempdir()} is on a disk that is full ({one.strerror})."
    return ""


def media_full(error: OSError) -> str:
    return f"The folder of the pictures, {settings.MEDIA_ROOT}, is on a disk that is full ({error.strerror})."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "no room"
