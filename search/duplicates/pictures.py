"""Copies of the collection's pictures, for their hashes, looks and points: decoded where all pictures are."""

import uuid
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import NamedTuple

from django.db import connection
from PIL import Image

from search import decoding
from search.duplicates import keypoint_matching
from search.duplicates.cell_comparison import small_of
from search.duplicates.pair_classification import Seen
from search.imaging import UnreadableImage
from search.objects import storage

_MOST_PIXELS = storage.THUMBNAIL**2
_KEPT = 1_000
"""Pictures of which this is kept, 60 kB each."""


class Hashed(NamedTuple):
    """`hash` is None for a flat picture; a `failure` says why there is none."""

    image_id: uuid.UUID
    hash: int | None
    failure: str = ""


def without_fingerprint(count: int, after: uuid.UUID) -> list[uuid.UUID]:
    """Return the ids of some pictures that were added before hashes were kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM search_image AS image WHERE id > %s"
            " AND NOT EXISTS (SELECT FROM search_fingerprint WHERE image_id = image.id) ORDER BY id LIMIT %s",
            [after, count],
        )
        return [image_id for (image_id,) in cursor.fetchall()]


def hashed(ids: Sequence[uuid.UUID], workers: Executor) -> list[Hashed]:
    """Return the hashes of these pictures, of their thumbnails. Raises StorageUnavailable and NoDecoder."""
    return list(workers.map(_hashed, ids))


def _hashed(image_id: uuid.UUID) -> Hashed:
    try:
        copy = storage.read(storage.rendition_key(image_id, storage.THUMBNAIL))
        return Hashed(image_id, decoding.hash_of_picture(copy, max_pixels=_MOST_PIXELS))
    except storage.MissingObject:
        return Hashed(image_id, None, "its thumbnail is missing: `manage.py reconcile --mend` makes it again")
    except UnreadableImage as error:
        return Hashed(image_id, None, str(error))


class LatelySeen:
    """What is known of pictures that were asked for lately. For one thread."""

    def __init__(self) -> None:
        self._seen: OrderedDict[uuid.UUID, Seen | None] = OrderedDict()

    def of(self, image_id: uuid.UUID) -> Seen | None:
        """Return None for a picture that can't be read. Raises StorageUnavailable and NoDecoder."""
        if image_id not in self._seen:
            self._seen[image_id] = _read(image_id)
            if len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
        self._seen.move_to_end(image_id)
        return self._seen[image_id]


def _read(image_id: uuid.UUID) -> Seen | None:
    with suppress(storage.MissingObject, UnreadableImage):
        copy = storage.read(storage.rendition_key(image_id, storage.THUMBNAIL))
        return seen(decoding.read_picture(copy, max_pixels=_MOST_PIXELS, of_collection=True).picture)
    return None


def seen(picture: Image.Image) -> Seen:
    """Return what is to be known of a picture, its points where OpenCV is installed."""
    small = small_of(picture)
    return Seen(small, keypoint_matching.points_of(picture, small) if keypoint_matching.is_there() else None)
