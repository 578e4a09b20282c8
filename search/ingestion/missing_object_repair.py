"""Restore the missing objects of a known picture when its bytes are seen again.

Rows are read before and written after: what lies between uses the object storage alone, in any thread.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace

from django.conf import settings

from search import decoding
from search.decoding import Source, size_of
from search.imaging import FORMATS
from search.models import Image, Origin
from search.models.origins import origin_id
from search.objects import storage


@dataclass(frozen=True, slots=True)
class Known:
    """An existing row. Its original is in our storage, or at `original_location`, where `origins` recorded it."""

    image_id: uuid.UUID
    format: str
    pixels: int
    original_location: str = ""
    origins: frozenset[uuid.UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Restored:
    """Whether an object was missing, and the new location of the original if it changed ("": our storage)."""

    something: bool = False
    moved: str | None = None


def known_rows(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Known]:
    """Return the existing rows of these images, by id."""
    columns = ("pk", "format", "width", "height", "original_location")
    rows = {
        image_id: Known(image_id, name, width * height, location)
        for image_id, name, width, height, location in Image.objects.filter(pk__in=image_ids).values_list(*columns)
    }
    in_place = [row.image_id for row in rows.values() if row.original_location]
    for image_id, origin in Origin.objects.filter(image_id__in=in_place).values_list("image_id", "pk"):
        rows[image_id] = replace(rows[image_id], origins=rows[image_id].origins | {origin})
    return rows


def is_whole(known: Known, location: str) -> bool:
    """Whether `restore` would change nothing for these bytes, found at `location` or else to be copied.

    Raises StorageUnavailable.
    """
    if not storage.size_of(storage.rendition_key(known.image_id, storage.THUMBNAIL)):
        return False
    if known.original_location:
        return _stays(known, location)
    return bool(storage.size_of(storage.original_key(known.image_id)))


def restore(known: Known, data: Source, location: str = "") -> Restored:
    """Store the missing objects of a picture whose bytes are `data`, found at `location` or else to be copied.

    An original in our storage stays there. One elsewhere stays if it still exists; otherwise it is copied, or recorded
    at `location`. The caller prevents deletion meanwhile and saves `moved`. Raises StorageUnavailable, UnreadableImage
    and decoding.Busy.
    """
    small = storage.rendition_key(known.image_id, storage.THUMBNAIL)
    lacks_thumbnail = not storage.size_of(small)
    if lacks_thumbnail:
        storage.put(small, _thumbnail(known, data), "image/webp")
    if known.original_location:
        is_right, was_lost = _stays(known, location), False
    else:
        is_right = storage.size_of(storage.original_key(known.image_id)) == size_of(data)
        was_lost = not is_right
    if is_right:
        return Restored(lacks_thumbnail)
    if not location:
        storage.put(storage.original_key(known.image_id), data, FORMATS[known.format].mime)
    return Restored(lacks_thumbnail or was_lost, location if location != known.original_location else None)


def note_moved(known: Known, location: str) -> None:
    """Save the new location of an original, unless it has changed meanwhile."""
    there = Image.objects.filter(pk=known.image_id, original_location=known.original_location)
    there.update(original_location=location)


def _stays(known: Known, location: str) -> bool:
    """Whether an original elsewhere can stay where it is."""
    return bool(location) and (location == known.original_location or _is_still_there(known))


def _is_still_there(known: Known) -> bool:
    try:
        version = storage.version_in_place(known.original_location)
    except storage.UnreachableOriginal:  # it can be read at the new location
        return False
    return version is not None and origin_id(known.original_location, version) in known.origins


def _thumbnail(known: Known, data: Source) -> bytes:
    # A picture of the collection passed the limit once.
    most = max(settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000, known.pixels)
    longest = storage.THUMBNAIL
    return decoding.small_copy(data, max_pixels=most, at_least=1, longer_at_least=longest, longest=longest)
