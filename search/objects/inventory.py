"""Inventory of the object storage, by shards: the keys of one fit into memory, those of all may not."""

import datetime as dt
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from search.objects import storage

SHARDS = tuple(f"{number:02x}" for number in range(256))
"""The first two hex digits of ids, which are folders in the keys of their objects."""
ORIGINALS = "originals/"
RENDITIONS = "renditions/"
THUMBNAILS = f"{RENDITIONS}{storage.THUMBNAIL}/"
PLACES = (ORIGINALS, *(f"{RENDITIONS}{width}/" for width in storage.WIDTHS))
"""Prefixes of all objects, each with a folder per shard."""
_DRAFT = re.compile(r"tmp[a-z0-9_]{8}")
"""Names of `LocalStorage`'s temporary files."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object; or an unfinished multipart upload, with its id as `upload`."""

    key: str
    size: int
    changed: dt.datetime
    upload: str = ""

    @property
    def is_draft(self) -> bool:
        """Whether it was never completed."""
        return bool(self.upload) or _DRAFT.fullmatch(self.key.rpartition("/")[2]) is not None


def stored_below(prefix: str) -> Iterator[Stored]:
    """Yield all objects whose keys begin with `prefix`, the path of a folder. Raises StorageUnavailable."""
    with storage.translated():
        yield from _files_below(prefix) if storage.are_files() else _keys_below(prefix)


def folders_in(place: str) -> set[str]:
    """Return the names of the folders in a folder, which may be missing. Raises StorageUnavailable."""
    with storage.translated():
        return set(_folders_of_files(place) if storage.are_files() else _folders_of_keys(place))


def unfinished_uploads() -> Iterator[Stored]:
    """Yield unfinished multipart uploads of our bucket. Raises StorageUnavailable."""
    if storage.are_files():
        return
    from botocore.exceptions import ClientError  # noqa: PLC0415 - only needed with a bucket

    for prefix in (ORIGINALS, RENDITIONS):
        with storage.translated(), suppress(ClientError):  # not supported by every server
            for page in _pages("list_multipart_uploads", prefix):
                for one in page.get("Uploads", []):
                    yield Stored(_own_key(one["Key"]), 0, one["Initiated"], one["UploadId"])


def remove(stored: Stored) -> None:
    """Delete an object or abort an upload; a missing one is no error. Raises StorageUnavailable."""
    if stored.upload:
        bucket, key = _bucket(), _whole_key(stored.key)
        with suppress(storage.MissingObject), storage.translated():
            bucket.client.abort_multipart_upload(Bucket=bucket.bucket_name, Key=key, UploadId=stored.upload)
    else:
        storage.delete([stored.key])


def image_of(key: str) -> uuid.UUID | None:
    """Return the id of the image whose object has this key; None if it is not one of our keys."""
    name = key.rpartition("/")[2].removesuffix(".webp")
    try:
        image_id = uuid.UUID(name)
    except ValueError:
        return None
    return image_id if key in storage.keys_of(image_id) else None


# Files


def _files_below(prefix: str) -> Iterator[Stored]:
    root = default_storage.path("")
    for folder, _folders, names in os.walk(os.path.join(root, prefix)):  # noqa: PTH118 - millions of them
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with suppress(FileNotFoundError):  # deleted or renamed meanwhile
                status = os.stat(path)  # noqa: PTH116
                changed = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
                yield Stored(os.path.relpath(path, root), status.st_size, changed)


def _folders_of_files(folder: str) -> list[str]:
    try:
        return [path.name for path in Path(default_storage.path(folder)).iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []


# Keys of a bucket


def _keys_below(prefix: str) -> Iterator[Stored]:
    for page in _pages("list_objects_v2", prefix):
        for found in page.get("Contents", []):
            yield Stored(_own_key(found["Key"]), found["Size"], found["LastModified"])


def _folders_of_keys(folder: str) -> list[str]:
    pages = _pages("list_objects_v2", folder, Delimiter="/")
    return [each["Prefix"].rstrip("/").rpartition("/")[2] for page in pages for each in page.get("CommonPrefixes", [])]


def _pages(operation: str, prefix: str, **options: str) -> Iterator[Any]:
    bucket = _bucket()
    pages = bucket.client.get_paginator(operation)
    yield from pages.paginate(Bucket=bucket.bucket_name, Prefix=_whole_key(prefix), **options)


def _bucket() -> Any:
    return default_storage


def _location() -> str:
    folder = _bucket().location.strip("/")
    return f"{folder}/" if folder else ""


def _whole_key(key: str) -> str:
    return _location() + key


def _own_key(key: str) -> str:
    return key.removeprefix(_location())
