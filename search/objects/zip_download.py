"""A ZIP of many images, streamed: no temporary file, and one picture in memory at a time."""

import csv
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO, StringIO
from itertools import chain
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from search.imaging import UnreadableImage
from search.models import Capture, Image, Place
from search.objects import other_buckets
from search.objects.download_copies import clean_copy, file_stem
from search.objects.storage import MissingObject, StorageUnavailable, UnreachableOriginal

TABLE = "pictures.csv"
COLUMNS = (
    *("file", "title", "link", "author", "licence", "source_link", "tags"),
    *("taken", "camera", "lens", "rating", "colours", "similarity", "problem"),
)
OF_PLACES = ("country", "region", "town", "latitude", "longitude")
"""Only for users who may see places, and only in the table: the files contain none."""
_PATIENCE = 3
"""Consecutive pictures for which a storage or bucket does not answer, after which it gets no more requests: each would
take its timeout while a user waits."""


class _Outbox(BytesIO):
    """The output of a ZipFile, taken away entry by entry.

    ZipFile seeks back to complete the header of the current entry, never to earlier ones. So each entry has its size
    before its data, which streaming readers need.
    """

    sent = 0

    def tell(self) -> int:
        return self.sent + super().tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return super().seek(offset - self.sent, whence) + self.sent

    def take(self) -> bytes:
        data = self.getvalue()
        self.sent += len(data)
        super().seek(0)
        self.truncate()
        return data


def zipped(
    images: Sequence[Image],
    similarities: Mapping[UUID, float],
    link_to: Callable[[Image], str],
    *,
    places: bool = False,
) -> Iterator[bytes]:
    """Yield a ZIP of the images, as from `clean_copy`, and a table of their metadata, including places if `places`.

    A picture that is missing, unreadable or not accessible is left out, and the table says why. Raises
    StorageUnavailable at once, before yielding anything, if our own storage does not answer for the first picture.
    """
    reasons = {
        MissingObject: _("This picture's file is missing."),
        UnreadableImage: _("This picture's file is damaged."),
        StorageUnavailable: _("The picture storage did not respond."),
    }
    parts = _parts(images, similarities, link_to, reasons, places=places)
    return chain([next(parts)], parts)


def _parts(
    images: Sequence[Image],
    similarities: Mapping[UUID, float],
    link_to: Callable[[Image], str],
    reasons: Mapping[type[Exception], str],
    *,
    places: bool,
) -> Iterator[bytes]:
    outbox, names, rows, unanswered = _Outbox(), _Names(), [], Counter[str]()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for image in images:
            name = problem = ""
            # "" for our storage, or the bucket of the original.
            place = other_buckets.split(image.original_location)[0] if image.original_location else ""
            try:
                if unanswered[place] >= _PATIENCE:
                    raise StorageUnavailable
                copy = clean_copy(image)
            except (MissingObject, UnreadableImage, StorageUnavailable) as error:
                if isinstance(error, StorageUnavailable) and not (place or outbox.sent):
                    raise
                unanswered[place] += _is_silence(error)
                problem = next(reason for kind, reason in reasons.items() if isinstance(error, kind))
            else:
                unanswered[place] = 0
                name = names.fresh(file_stem(image), copy.extension)
                archive.writestr(_entry(name, image), copy.data)
                del copy
                yield outbox.take()
            row = _row(image, name, link_to(image), similarities.get(image.id), problem)
            rows.append([*row, *(_place(image) if places else [])])
        archive.writestr(TABLE, _table([*COLUMNS, *(OF_PLACES if places else [])], rows))
        yield outbox.take()
    yield outbox.take()


def _is_silence(error: Exception) -> bool:
    """Whether the storage did not answer, so that other requests to it would time out too."""
    return error.is_silent if isinstance(error, UnreachableOriginal) else isinstance(error, StorageUnavailable)


class _Names:
    """Unique file names, also where case is ignored."""

    def __init__(self) -> None:
        self._taken = {TABLE.casefold()}

    def fresh(self, stem: str, extension: str) -> str:
        name, number = stem + extension, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}{extension}"
        self._taken.add(name.casefold())
        return name


def _entry(name: str, image: Image) -> zipfile.ZipInfo:
    added = timezone.localtime(image.created)
    return zipfile.ZipInfo(name, (max(added.year, 1980), *added.timetuple()[1:6]))


def _row(image: Image, name: str, link: str, similarity: float | None, problem: str) -> list[str]:
    texts = (name, image.title, link, image.author, image.licence, image.source_link, ", ".join(image.tags))
    capture = image.captured or Capture()
    taken = f"{capture.taken:%Y-%m-%d %H:%M:%S}{capture.zone}" if capture.taken else ""
    colours = ", ".join(f"{one.name} {one.share}%" for one in image.swatches)
    with_what = (taken, capture.camera, capture.lens, str(capture.rating or ""), colours)
    return [*map(harmless, (*texts, *with_what)), "" if similarity is None else f"{similarity:.4f}", problem]


def _place(image: Image) -> list[str]:
    capture = image.captured or Capture()
    place = capture.place or Place()
    at = [f"{one:.6f}" for one in (capture.latitude, capture.longitude) if one is not None]
    return [place.country, *map(harmless, (place.region, place.town)), *(at or ["", ""])]


def harmless(text: str) -> str:
    """Return a cell that spreadsheets don't take for a formula, which might send other cells' contents away."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _table(columns: list[str], rows: list[list[Any]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows([columns, *rows])
    # Excel recognises UTF-8 by the byte order mark.
    return text.getvalue().encode("utf-8-sig")
