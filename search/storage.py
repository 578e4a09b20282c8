"""Objects and their keys. Keys are made from the image's id, never from a user's file name."""

import json
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage

from search import foreign
from search.models.image import content_id

if TYPE_CHECKING:
    from search.models import Image

THUMBNAIL = 400
"""Longest side in pixels of what lists show; made when a picture is added."""
PREVIEW = 800
"""The same for screens that pack two pixels into one, and for rows of few pictures; made when first asked for."""
DISPLAY = 1600
"""Longest side in pixels of what an image page shows; made when it is first asked for."""
WIDTHS = (THUMBNAIL, PREVIEW, DISPLAY)

_URL_REMEMBERED = 12 * 3600
"""Seconds for which a presigned address, valid for a day, is given out again, so that browsers keep the picture."""


class StorageUnavailable(Exception):
    """The object storage does not answer, or refuses. The message is for the operator."""


class UnreachableOriginal(StorageUnavailable):
    """The place where one original stays refuses, or does not answer, which says nothing of other pictures.

    `bucket` is that place, and `is_silent` tells that it does not answer at all.
    """

    def __init__(self, location: str, reason: str, *, is_silent: bool) -> None:
        super().__init__(f"{location}: {reason}")
        self.bucket, self.is_silent = foreign.split(location)[0], is_silent


class MissingObject(Exception):
    """There is no object with this key."""


class LocalStorage(FileSystemStorage):
    """Files under MEDIA_ROOT, written whole or not at all, and never given a second name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_overwrite=True, **options)

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Write `content` under this very name: Django's search for a free one takes longer than the writing."""
        assert name
        return self._save(name, content)

    def _save(self, name: str, content: "File[Any]") -> str:
        path = self.path(name)  # refuses what leads out of MEDIA_ROOT
        folder = os.path.dirname(path)  # noqa: PTH120 - pathlib takes as long as the rest
        try:
            number, draft = tempfile.mkstemp(dir=folder)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            number, draft = tempfile.mkstemp(dir=folder)
        try:
            with open(number, "wb") as file:  # noqa: PTH123
                file.writelines(content.chunks())
                # The row is written next, and must not outlive what it speaks of: not in a kill, nor a power cut.
                file.flush()
                os.fsync(number)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
        return name


class _Open(File):  # type: ignore[type-arg]
    """An open file that stays open: s3transfer closes what it has sent."""

    def close(self) -> None:
        pass


def original_key(image_id: uuid.UUID) -> str:
    """The bytes as they were uploaded. Private: only scrubbed copies of them are served.

    Of an image with an `original_location` there is none; `read_original` reads either.
    """
    return f"originals/{image_id.hex[:2]}/{image_id}"


def rendition_key(image_id: uuid.UUID, longest: int) -> str:
    """A WebP copy without metadata, `longest` pixels at most on its longest side."""
    return f"renditions/{longest}/{image_id.hex[:2]}/{image_id}.webp"


def keys_of(image_id: uuid.UUID) -> list[str]:
    """All objects that an image may have."""
    return [original_key(image_id), *(rendition_key(image_id, width) for width in WIDTHS)]


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise MissingObject(str(error)) from error
    except Exception as error:
        # Only now: a tenth of a second, which nobody needs whose pictures are files.
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415
        from s3transfer.exceptions import RetriesExceededError  # type: ignore[import-untyped]  # noqa: PLC0415

        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"404", "NoSuchKey"}:
                raise MissingObject(str(error)) from error
            raise StorageUnavailable(f"The object storage refuses: {error}") from error
        if isinstance(error, NoCredentialsError):
            _forget_connection()
        # Some of botocore's are OSErrors too.
        if isinstance(error, (BotoCoreError, RetriesExceededError)):
            raise StorageUnavailable(f"The object storage does not answer: {error}") from error
        if isinstance(error, OSError):
            raise StorageUnavailable(f"Pictures can't be written or read: {error}") from error
        raise


def _forget_connection() -> None:
    """Have the next request look for keys again. A connection that was made without, as on a machine that is just
    starting and is not told its role yet, would never have any."""
    objects: Any = default_storage
    if not are_files():
        vars(objects._connections).clear()
        objects._bucket = None  # one for all threads


@contextmanager
def _translated_elsewhere(location: str) -> Iterator[None]:
    """The same for an original that stays at `location`, with UnreachableOriginal for StorageUnavailable."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see above

    try:
        with translated():
            yield
    except StorageUnavailable as error:
        cause = error.__cause__
        assert isinstance(cause, Exception)
        reason = foreign.reason_of(cause, foreign.split(location)[0])
        raise UnreachableOriginal(location, reason, is_silent=not isinstance(cause, ClientError)) from error
    except ValueError as error:  # such as an endpoint in S3_SOURCES that is none
        raise UnreachableOriginal(location, str(error), is_silent=True) from error


def put(key: str, data: bytes | IO[bytes], content_type: str) -> None:
    """Store `data`, over what the key held. Raises StorageUnavailable."""
    content = ContentFile(data) if isinstance(data, bytes) else _Open(data)
    setattr(content, "content_type", content_type)  # noqa: B010 - where django-storages looks for it
    with translated():
        default_storage.save(key, content)


def read(key: str) -> bytes:
    """Return the bytes of an object. Raises MissingObject and StorageUnavailable."""
    with translated(), default_storage.open(key) as file:
        data: bytes = file.read()
        return data


def read_original(image: "Image") -> bytes:
    """Return the bytes of an image as they came, from our storage or from where they stay.

    Raises MissingObject, also for a file that was exchanged for another where it stays, and StorageUnavailable, of
    which UnreachableOriginal says that it is about this one alone.
    """
    if not image.original_location:
        return read(original_key(image.id))
    changed = MissingObject(f"{image.original_location} has changed since it was added.")
    try:
        with _translated_elsewhere(image.original_location):
            data = foreign.read(image.original_location, image.byte_size)
    except foreign.TooLarge:
        raise changed from None
    if content_id(data) != image.id:
        raise changed
    return data


def version_in_place(location: str) -> str | None:
    """Return the ETag of an original that stays elsewhere; None where it is gone. Raises UnreachableOriginal."""
    with _translated_elsewhere(location):
        return foreign.version_of(location)


def size_of(key: str) -> int | None:
    """Return how many bytes an object has; None where there is none. Raises StorageUnavailable."""
    try:
        with translated():
            return int(default_storage.size(key))
    except MissingObject:
        return None


def are_files() -> bool:
    """Whether objects are files of this machine, which can be looked at for nothing."""
    return isinstance(default_storage, FileSystemStorage)


def exists(key: str) -> bool:
    """Whether there is an object with this key. Raises StorageUnavailable."""
    with translated():
        return bool(default_storage.exists(key))


def delete(keys: Iterable[str]) -> None:
    """Delete objects; one that is not there is no error. Raises StorageUnavailable."""
    for key in keys:
        with translated():
            default_storage.delete(key)


def check() -> None:
    """Ask for the folder or the bucket itself. Raises StorageUnavailable when it is not there."""
    objects: Any = default_storage
    try:
        with translated():
            if are_files():
                Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
                os.listdir(settings.MEDIA_ROOT)
            else:
                objects.connection.meta.client.head_bucket(Bucket=objects.bucket_name)
    except MissingObject as error:
        raise StorageUnavailable(f"The place where the pictures are kept is not there: {error}") from error


def serves_itself() -> bool:
    """Whether browsers can fetch objects from the storage; otherwise our own views serve them."""
    if settings.PICTURES_THROUGH_SITE:
        return False
    return bool(settings.S3_PUBLIC_BASE_URL) or not are_files()


def origins() -> list[str]:
    """Return what a policy for pages must name so that browsers load what `rendition_urls` returns."""
    if not serves_itself():
        return []
    parts = urlsplit(settings.S3_PUBLIC_BASE_URL or _unsigned_address())
    if parts.netloc.endswith(".amazonaws.com"):  # which leads on to the region of the bucket, where we know another
        return ["https://*.amazonaws.com"]
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []


def _unsigned_address() -> str:
    region, config = settings.S3_CONNECTION["region_name"], json.dumps(settings.S3_CLIENT, sort_keys=True)
    return _address_in(settings.S3_BUCKET, settings.S3_ENDPOINT_URL, region, config)


@lru_cache(maxsize=8)
def _address_in(bucket: str, endpoint: str, region: str | None, config: str) -> str:
    """Return an address in our bucket as boto3 writes it, which may name the bucket in the host; "" for no bucket."""
    import boto3  # noqa: PLC0415
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    unsigned = Config(**{**json.loads(config), "signature_version": UNSIGNED})
    session = boto3.session.Session()
    try:
        client = session.client("s3", region_name=region, endpoint_url=endpoint or None, config=unsigned)
        address: str = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "any"})
    except BotoCoreError:  # a name that no bucket can have: whatever reads or writes will tell
        return ""
    return address


def rendition_urls(image_ids: Iterable[uuid.UUID], longest: int) -> dict[uuid.UUID, str]:
    """Return where browsers fetch these renditions, for a storage that serves itself."""
    keys = {image_id: rendition_key(image_id, longest) for image_id in image_ids}
    if settings.S3_PUBLIC_BASE_URL:
        return {image_id: f"{settings.S3_PUBLIC_BASE_URL}/{key}" for image_id, key in keys.items()}
    remembered = cache.get_many([f"url:{key}" for key in keys.values()])
    urls, fresh = {}, {}
    for image_id, key in keys.items():
        url = remembered.get(f"url:{key}")
        if url is None:
            with translated():
                url = fresh[f"url:{key}"] = default_storage.url(key)
        urls[image_id] = url
    if fresh:
        # Credentials that are not ours, such as a machine's role, end within the hour, and the addresses with them.
        options = settings.STORAGES["default"].get("OPTIONS", {})
        own = options.get("access_key") and not options.get("security_token")
        cache.set_many(fresh, _URL_REMEMBERED if own else 300)
    return urls
