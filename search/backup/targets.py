"""Targets of backups: a folder, or a prefix of a bucket. Files are written atomically."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from search.backup.manifest import BackupError
from search.objects import other_buckets
from search.objects.full import DISK_FULL, NoRoom, is_bucket_full

BLOCK = 1 << 20
"""Bytes per copied block."""
IN_MEMORY = 8 << 20
"""Bytes of a file kept in memory before it is spooled to disk."""


class Target(Protocol):
    """Files by key, a path with `/`. All methods raise BackupError if the target can't be read or written."""

    name: str

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the sizes in bytes of all files below `prefix`, a folder, by key."""

    def read_into(self, key: str, file: IO[bytes]) -> None:
        """Copy the content of a file into `file`. Raises FileNotFoundError."""

    def write_from(self, key: str, file: IO[bytes]) -> None:
        """Store the content of `file` from its position."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; missing ones are ignored."""


def open_target(where: str) -> Target:
    """Return the target for a folder or `s3://bucket/prefix`. Raises BackupError for anything else."""
    if where.startswith(other_buckets.SCHEME):
        bucket, prefix = other_buckets.split(where)
        if not bucket:
            raise BackupError(f"{where} names no bucket: write s3://bucket/prefix.")
        return _Bucket(bucket, prefix.strip("/"))
    if "://" in where:
        raise BackupError(f"{where} is neither a folder nor s3://bucket/prefix.")
    return _Folder(Path(where).expanduser())


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root, self.name = root, str(root)

    def sizes(self, prefix: str) -> dict[str, int]:
        found = {}
        with self._translated():
            for folder, _folders, names in os.walk(self.root / prefix, onerror=_unless_missing):
                for name in names:
                    path = Path(folder, name)
                    status = path.stat()
                    if not name.startswith(_DRAFT):
                        found[path.relative_to(self.root).as_posix()] = status.st_size
                    elif status.st_mtime < time.time() - _DRAFT_LASTS:  # of a killed backup
                        path.unlink(missing_ok=True)
        return found

    def read_into(self, key: str, file: IO[bytes]) -> None:
        with self._translated(), (self.root / key).open("rb") as source:
            shutil.copyfileobj(source, file, BLOCK)

    def write_from(self, key: str, file: IO[bytes]) -> None:
        path = self.root / key
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            number, draft = tempfile.mkstemp(dir=path.parent, prefix=_DRAFT)
            try:
                with open(number, "wb") as written:  # noqa: PTH123 - a file descriptor
                    shutil.copyfileobj(file, written, BLOCK)
                    written.flush()
                    os.fsync(number)
                os.replace(draft, path)
            except BaseException:
                os.unlink(draft)
                raise

    def delete(self, keys: Iterable[str]) -> None:
        with self._translated():
            for key in keys:
                (self.root / key).unlink(missing_ok=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in DISK_FULL:
                raise NoRoom(f"The folder of the backup, {self.root}, is on a full disk.") from error
            raise BackupError(f"{error.filename or self.root} can't be read or written: {error.strerror}.") from error


_DRAFT = ".draft-"
"""Prefix of the names of incomplete files."""
_DRAFT_LASTS = 24 * 3600
"""Seconds after which a draft is considered abandoned."""


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class _Bucket:
    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.name = bucket, other_buckets.location(bucket, prefix)
        self._before = f"{prefix}/" if prefix else ""

    def sizes(self, prefix: str) -> dict[str, int]:
        found = {}
        with self._translated():
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._before + prefix):
                for one in page.get("Contents", []):
                    found[one["Key"].removeprefix(self._before)] = one["Size"]
        return found

    def read_into(self, key: str, file: IO[bytes]) -> None:
        with self._translated():
            self._client().download_fileobj(self.bucket, self._before + key, file)

    def write_from(self, key: str, file: IO[bytes]) -> None:
        with self._translated():
            self._client().upload_fileobj(_Kept(file), self.bucket, self._before + key)

    def delete(self, keys: Iterable[str]) -> None:
        with self._translated():
            for key in keys:
                self._client().delete_object(Bucket=self.bucket, Key=self._before + key)

    def _client(self) -> Any:
        return other_buckets.client(self.bucket)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error  # noqa: PLC0415 - only needed for buckets
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"404", "NoSuchKey"}:
                raise FileNotFoundError(str(error)) from error
            if is_bucket_full(code, error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")):
                raise NoRoom(f"The bucket of the backup, {self.bucket}, is full: {error}") from error
            raise BackupError(f"{self.name}: {error}") from error
        except (BotoCoreError, Boto3Error) as error:
            raise BackupError(f"{self.name} can't be reached: {error}") from error


class _Kept:
    """A file that stays open when boto3 closes it after sending."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def close(self) -> None:
        with suppress(ValueError):
            self._file.seek(0)
