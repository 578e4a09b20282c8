"""Read thumbnails for hashes, cell means and keypoints, in the decoder processes."""

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from PIL import Image

from search import decoding
from search.decoding import Compared
from search.duplicates import keypoint_matching
from search.duplicates.pair_classification import Seen
from search.imaging import UnreadableImage
from search.imaging.thumbnails import compared
from search.models.sql_statements import fetch_column
from search.objects import storage

_MOST_PIXELS = storage.THUMBNAIL**2
_KEPT = 1_500
"""Pictures in the cache, 60 kB each."""
MOST_AT_ONCE = 1_000
_TOGETHER = 40
"""Files per call to a decoder."""


class Hashed(NamedTuple):
    """`hash` is None for a flat picture, or with a `failure` that says why."""

    image_id: uuid.UUID
    hash: int | None
    failure: str = ""


def without_fingerprint(count: int, after: uuid.UUID) -> list[uuid.UUID]:
    """Return the ids of some pictures without a hash, added by earlier versions."""
    return fetch_column(
        "SELECT id FROM search_image AS image WHERE id > %s"
        " AND NOT EXISTS (SELECT FROM search_fingerprint WHERE image_id = image.id) ORDER BY id LIMIT %s",
        [after, count],
    )


def hashed(ids: Sequence[uuid.UUID], workers: Executor) -> list[Hashed]:
    """Return the hashes of these pictures' thumbnails. Raises StorageUnavailable and NoDecoder."""
    return list(workers.map(_hashed, ids))


def _hashed(image_id: uuid.UUID) -> Hashed:
    try:
        copy = storage.read(storage.rendition_key(image_id, storage.THUMBNAIL))
        return Hashed(image_id, decoding.hash_of_picture(copy, max_pixels=_MOST_PIXELS))
    except storage.MissingObject:
        return Hashed(image_id, None, "its thumbnail is missing: `manage.py reconcile --repair` makes it again")
    except UnreadableImage as error:
        return Hashed(image_id, None, str(error))


class SeenCache:
    """Cache of what is known of recently used pictures. Not thread-safe."""

    def __init__(self) -> None:
        self._seen: OrderedDict[uuid.UUID, Seen | None] = OrderedDict()

    def look_at(self, ids: Iterable[uuid.UUID]) -> None:
        """Load these, at most MOST_AT_ONCE, together, which halves the time. Raises StorageUnavailable and
        NoDecoder."""
        wanted = list(dict.fromkeys(ids))
        for image_id in wanted:
            if image_id in self._seen:
                self._seen.move_to_end(image_id)
        new = [image_id for image_id in wanted if image_id not in self._seen]
        for start in range(0, len(new), _TOGETHER):
            self._read(new[start : start + _TOGETHER])

    def of(self, image_id: uuid.UUID) -> Seen | None:
        """Return what is known of a picture; None if it is unreadable. Raises StorageUnavailable and NoDecoder."""
        self.look_at([image_id])
        return self._seen[image_id]

    def _read(self, ids: Sequence[uuid.UUID]) -> None:
        copies: dict[uuid.UUID, bytes] = {}
        for image_id in ids:
            with suppress(storage.MissingObject):
                copies[image_id] = storage.read(storage.rendition_key(image_id, storage.THUMBNAIL))
        read = decoding.compared_in_many(list(copies.values()), max_pixels=_MOST_PIXELS)
        found = dict(zip(copies, read, strict=True))
        for image_id in ids:
            one = found.get(image_id)
            self._seen[image_id] = _seen(one.grey, one.small) if isinstance(one, Compared) else None
        while len(self._seen) > _KEPT:
            self._seen.popitem(last=False)


def seen(picture: Image.Image) -> Seen:
    """Compute what `Judge` needs from a picture; keypoints only if OpenCV is installed."""
    return _seen(*compared(picture))


def _seen(grey: Image.Image, small: Image.Image) -> Seen:
    look = np.asarray(small)
    return Seen(look, keypoint_matching.points_of(grey, look) if keypoint_matching.is_there() else None)
