"""Objects by key: files or our bucket, with uniform errors. Keys are made from the image's id, never from a user's
file name."""

import datetime as dt
import errno
import os
import tempfile
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage

from search import decoding
from search.concurrency.timeouts import Gate, NoAnswer, gate
from search.models.image import content_id
from search.models.origins import origin_id
from search.monitoring import event_counters
from search.objects import other_buckets
from search.objects.disk_full import DISK_FULL, NoRoom, is_bucket_full, media_full

if TYPE_CHECKING:
    from search.models import Image
    from search.objects.our_bucket import Bucket

THUMBNAIL = 400
"""Longest side in pixels of pictures in lists; made when a picture is added."""
PREVIEW = 800
"""The same for high-density screens, and for rows of few pictures; made on demand."""
DISPLAY = 1600
"""Longest side in pixels on an image's page; made on demand."""
WIDTHS = (THUMBNAIL, PREVIEW, DISPLAY)


class StorageUnavailable(Exception):
    """The object storage does not answer, or refuses. The message is for the operator."""


class StorageFull(StorageUnavailable, NoRoom):
    """The object storage has no space left."""


class UnreachableOriginal(StorageUnavailable):
    """The bucket of an original in place refuses, or does not answer, which says nothing of other pictures.

    `is_silent` says that `bucket` does not answer at all.
    """

    def __init__(self, location: str, reason: str, *, is_silent: bool) -> None:
        super().__init__(f"{location}: {reason}")
        self.bucket, self.is_silent = other_buckets.split(location)[0], is_silent


def refusal(error: BaseException) -> str:
    """Return why the object storage refuses, without names or keys; "" where it does not respond."""
    code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", "")
    return other_buckets.bucket_refusal(code) if code else ""


def is_denied(error: BaseException) -> bool:
    """Whether pictures are files, which this user may not write or read."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in {errno.EACCES, errno.EPERM, errno.EROFS}


def can_be_written() -> bool:
    """Whether pictures can be stored, as far as that is known without storing one."""
    return not are_files() or os.access(settings.MEDIA_ROOT, os.W_OK | os.X_OK)


class MissingObject(Exception):
    """There is no object with this key."""


class LocalStorage(FileSystemStorage):
    """Files under MEDIA_ROOT, written atomically, always under the given name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_overwrite=True, **options)

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Write `content` under exactly this name: Django's search for a free one takes longer than the writing."""
        assert name
        return self._save(name, content)

    def _save(self, name: str, content: "File[Any]") -> str:
        path = self.path(name)  # refuses paths out of MEDIA_ROOT
        folder = os.path.dirname(path)  # noqa: PTH120 - pathlib takes as long as the rest
        try:
            number, draft = tempfile.mkstemp(dir=folder)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            number, draft = tempfile.mkstemp(dir=folder)
        try:
            with open(number, "wb") as file:  # noqa: PTH123
                file.writelines(content.chunks())
                # The row is written next, and must not survive its file: not after a kill, nor a power cut.
                file.flush()
                os.fsync(number)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
        return name


def original_key(image_id: uuid.UUID) -> str:
    """Return the key of the uploaded file. Private: only scrubbed copies of it are served.

    An image with an `original_location` has no such object; `read_original` reads either.
    """
    return f"originals/{image_id.hex[:2]}/{image_id}"


def rendition_key(image_id: uuid.UUID, longest: int) -> str:
    """Return the key of a WebP copy without metadata, at most `longest` pixels on its longest side."""
    return f"renditions/{longest}/{image_id.hex[:2]}/{image_id}.webp"


def keys_of(image_id: uuid.UUID) -> list[str]:
    """Return the keys of all objects that an image may have."""
    return [original_key(image_id), *(rendition_key(image_id, width) for width in WIDTHS)]


@contextmanager
def translated() -> Iterator[None]:
    try:
        with _translated():
            yield
    except StorageUnavailable:
        event_counters.storage_failed("own")
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise MissingObject(str(error)) from error
    except Exception as error:
        # Late: takes 0.1 s, which is not needed if pictures are files.
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415
        from s3transfer.exceptions import RetriesExceededError  # type: ignore[import-untyped]  # noqa: PLC0415

        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"404", "NoSuchKey"}:
                raise MissingObject(str(error)) from error
            if is_bucket_full(code, error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")):
                raise StorageFull(f"The bucket {settings.S3_BUCKET} is full: {error}") from error
            raise StorageUnavailable(f"The object storage refuses: {error}") from error
        if isinstance(error, NoCredentialsError):
            _bucket().forget_keys()
        # Some of botocore's errors are OSErrors too.
        if isinstance(error, (BotoCoreError, RetriesExceededError, NoAnswer)):
            raise StorageUnavailable(f"The object storage does not respond: {error}") from error
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise StorageFull(media_full(error)) from error
        if isinstance(error, OSError):
            raise StorageUnavailable(f"Pictures can't be written or read: {error}") from error
        raise


def _bucket() -> "Bucket":
    """Return the storage, where it is a bucket."""
    bucket: Any = default_storage
    return bucket  # type: ignore[no-any-return]


@contextmanager
def _translated_elsewhere(location: str) -> Iterator[None]:
    """Translate errors for an original at `location`: StorageUnavailable becomes UnreachableOriginal."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see above

    try:
        with _translated():
            yield
    except StorageUnavailable as error:
        event_counters.storage_failed("elsewhere")
        cause = error.__cause__
        assert isinstance(cause, Exception)
        reason = other_buckets.reason_of(cause, other_buckets.split(location)[0])
        raise UnreachableOriginal(location, reason, is_silent=not isinstance(cause, ClientError)) from error
    except ValueError as error:  # such as an invalid endpoint in S3_SOURCES
        raise UnreachableOriginal(location, str(error), is_silent=True) from error


def put(key: str, data: decoding.Source, content_type: str) -> None:
    """Store `data`, replacing an existing object. Raises StorageUnavailable."""
    size = decoding.size_of(data)
    try:
        with translated():
            if are_files():
                default_storage.save(key, ContentFile(data) if isinstance(data, bytes) else File(data))
            else:
                _bucket().put_object(key, data, size, content_type)
    except StorageFull as error:
        raise StorageFull(f"{error} The next file takes {_readable(size)}.") from error.__cause__


def _readable(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def read(key: str, size: int = 0) -> bytes:
    """Return the content of an object of about `size` bytes. Raises MissingObject and StorageUnavailable."""
    with translated():
        if not are_files():
            return _bucket().read_object(key, size)
        with default_storage.open(key) as file:
            data: bytes = file.read()
            return data


def read_original(image: "Image") -> bytes:
    """Return the original file of an image, from our storage or from its location.

    Raises MissingObject, also for a file that was replaced at its location, and StorageUnavailable, of which
    UnreachableOriginal concerns this image only.
    """
    if not image.original_location:
        return read(original_key(image.id), image.byte_size)
    changed = MissingObject(f"{image.original_location} has changed since it was added.")
    try:
        with _translated_elsewhere(image.original_location):
            data = _gate_to(image.original_location).call(
                lambda: other_buckets.read(image.original_location, image.byte_size), size=image.byte_size
            )
    except other_buckets.TooLarge:
        raise changed from None
    if content_id(data) != image.id:
        raise changed
    return data


def read_beginning(image: "Image", count: int, origins: Collection[object] = ()) -> bytes:
    """Return the first `count` bytes of an image's original, or all if there are fewer.

    An original in place is read whole if its version is not among `origins`, the keys of its known origins. Raises
    what `read_original` raises.
    """
    if count >= image.byte_size:
        return read_original(image)
    if location := image.original_location:
        with _translated_elsewhere(location):
            data, version = _gate_to(location).call(lambda: other_buckets.beginning(location, count), size=count)
        return data if origin_id(location, version) in origins else read_original(image)
    key = original_key(image.id)
    with translated():
        if not are_files():
            return _bucket().read_object(key, count, first=count)
        # Not `open()` of Django's storage, whose buffered file reads twice as much.
        with open(default_storage.path(key), "rb", buffering=0) as file:  # noqa: PTH123
            return file.read(count)


def version_in_place(location: str) -> str | None:
    """Return the ETag of an original in place; None if it is gone. Raises UnreachableOriginal."""
    with _translated_elsewhere(location):
        return _gate_to(location).call(lambda: other_buckets.version_of(location))


def _gate_to(location: str) -> Gate:
    """Return the gate of a location's bucket. Other buckets don't block ours."""
    return gate(f"bucket {other_buckets.split(location)[0]}")


def size_of(key: str) -> int | None:
    """Return the size of an object in bytes; None if there is none. Raises StorageUnavailable."""
    try:
        with translated():
            return int(default_storage.size(key)) if are_files() else _bucket().size_of_object(key)
    except MissingObject:
        return None


def are_files() -> bool:
    """Whether objects are local files, which are cheap to access."""
    return isinstance(default_storage, FileSystemStorage)


def exists(key: str) -> bool:
    """Whether there is an object with this key. Raises StorageUnavailable."""
    return size_of(key) is not None


def delete(keys: Iterable[str]) -> None:
    """Delete objects; a missing one is no error. Raises StorageUnavailable."""
    for key in keys:
        with translated():
            if are_files():
                default_storage.delete(key)
            else:
                _bucket().delete_object(key)


def check() -> None:
    """Check that the folder or the bucket is accessible. Raises StorageUnavailable if not."""
    try:
        with translated():
            if are_files():
                Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
                os.listdir(settings.MEDIA_ROOT)
            else:
                _bucket().look()
    except MissingObject as error:
        raise StorageUnavailable(f"The picture folder does not exist: {error}") from error


def serves_itself() -> bool:
    """Whether browsers fetch objects from the storage; otherwise our views serve them."""
    if settings.PICTURES_THROUGH_SITE:
        return False
    return bool(settings.S3_PUBLIC_BASE_URL) or not are_files()


def origins() -> list[str]:
    """Return the origins that a page's CSP must allow for the URLs of `rendition_urls`."""
    if not serves_itself():
        return []
    parts = urlsplit(settings.S3_PUBLIC_BASE_URL or _bucket().origin())
    if parts.netloc.endswith(".amazonaws.com"):  # Amazon redirects to the bucket's region, which may differ from ours
        return ["https://*.amazonaws.com"]
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []


def rendition_urls(image_ids: Iterable[uuid.UUID], longest: int) -> dict[uuid.UUID, str]:
    """Return URLs of renditions in a storage that serves itself; `end_of` returns when they expire.

    Raises StorageUnavailable if there are no keys to sign with.
    """
    keys = {image_id: rendition_key(image_id, longest) for image_id in image_ids}
    if settings.S3_PUBLIC_BASE_URL:
        return {image_id: f"{settings.S3_PUBLIC_BASE_URL}/{key}" for image_id, key in keys.items()}
    with translated():
        return dict(zip(keys, _bucket().signed_addresses(list(keys.values())), strict=True))


def end_of(address: str) -> dt.datetime | None:
    """Return when a URL of `rendition_urls` expires; None if it doesn't, as our own."""
    said = parse_qs(urlsplit(address).query)
    if "X-Amz-Date" not in said:
        return None
    signed = dt.datetime.strptime(said["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    return signed + dt.timedelta(seconds=int(said["X-Amz-Expires"][0]))
