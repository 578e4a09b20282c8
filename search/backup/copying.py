"""Copy objects between our storage and a backup, hashing them on the way; large ones are spooled to disk."""

import hashlib
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from django.core.files import File
from django.core.files.storage import default_storage

from search.backup.object_lists import OBJECTS, Listed
from search.backup.targets import BLOCK, IN_MEMORY, Target
from search.containers.accepted_formats import recognised
from search.imaging import FORMATS, UnreadableImage
from search.models.image import id_of_hash
from search.objects.inventory import ORIGINALS
from search.objects.storage import translated


class Damaged(Exception):
    """An object of a backup differs from what was written. The message names it."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The SHA-256 of an object."""

    value: bytes

    @property
    def hex(self) -> str:
        return self.value.hex()

    def is_of(self, image_id: uuid.UUID) -> bool:
        """Whether this is the hash from which the id was made."""
        return id_of_hash(self.value) == image_id


def original_of(key: str) -> uuid.UUID | None:
    """Return the id of the image whose original has this key; None for a rendition."""
    return uuid.UUID(key.rpartition("/")[2]) if key.startswith(ORIGINALS) else None


@contextmanager
def read_and_hash(key: str) -> Iterator[tuple[IO[bytes], int, Digest]]:
    """Yield the content of our object, its size in bytes and its hash. Raises MissingObject and StorageUnavailable."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        said = hashlib.sha256()
        with translated(), default_storage.open(key) as source:
            for block in source.chunks(BLOCK):
                said.update(block)
                file.write(block)
        size = file.tell()
        file.seek(0)
        yield file, size, Digest(said.digest())


@contextmanager
def read_and_verify(target: Target, one: Listed) -> Iterator[IO[bytes]]:
    """Yield the content of a backup's object. Raises Damaged, and BackupError for an unreachable target."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        try:
            target.read_into(OBJECTS + one.key, file)
        except FileNotFoundError:
            raise Damaged(f"{OBJECTS}{one.key} is missing in the backup.") from None
        size = file.tell()
        file.seek(0)
        digest = Digest(hashlib.file_digest(file, "sha256").digest())
        image_id = original_of(one.key)
        is_right = digest.is_of(image_id) if image_id else digest.hex == one.sha256
        if size != one.size or not is_right:
            raise Damaged(f"{OBJECTS}{one.key} is damaged in the backup: {size:,} bytes of {one.size:,}.")
        file.seek(0)
        yield file


def store(key: str, file: IO[bytes]) -> None:
    """Store an object in our storage. Raises StorageUnavailable."""
    content = File(file, name=key)
    setattr(content, "content_type", _mime(key, file))  # noqa: B010 - read by django-storages
    with translated():
        default_storage.save(key, content)


def _mime(key: str, file: IO[bytes]) -> str:
    if not original_of(key):
        return "image/webp"
    begins = file.read(BLOCK)
    file.seek(0)
    try:
        return FORMATS[recognised(begins)].mime
    except (UnreadableImage, KeyError):
        return "application/octet-stream"
