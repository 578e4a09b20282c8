"""One picture on its way in, and the rows of several. Objects are written first, rows second."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from search import storage
from search.embedding import Picture, active_model, picture_encoder
from search.imaging import FORMATS, ReadPicture, dominant_colour, placeholder, read_picture, thumbnail
from search.ingestion.items import Details
from search.models import Image, OwedDeletion
from search.models.image import content_id

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MODEL_SIDE = 448
"""Shortest side in pixels that is kept for the model, which sees half of it or less."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture whose objects are stored and whose row lacks the vector only."""

    image: Image
    picture: Picture = field(repr=False)


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an upload: `image` is the row, `is_new` tells whether it was made just now."""

    image: Image
    is_new: bool


def read_for_model(data: bytes) -> ReadPicture:
    """Decode `data` as far as the model and the thumbnail need it. Raises UnreadableImage."""
    return read_picture(data, max_pixels=settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000, at_least=MODEL_SIDE)


def prepare(
    data: bytes,
    details: Details,
    *,
    image_id: uuid.UUID,
    uploader: "User | None" = None,
    location: str = "",
    store: bool = True,
) -> Prepared:
    """Decode a picture, store its objects and fill in its row; with a `location` the original stays there.

    Raises UnreadableImage and StorageUnavailable.
    """
    read = read_for_model(data)
    small = thumbnail(read.picture, storage.THUMBNAIL)
    image = Image(
        id=image_id,
        uploader=uploader,
        original_location=location,
        format=read.format,
        width=read.width,
        height=read.height,
        byte_size=len(data),
        dominant_colour=dominant_colour(read.picture),
        placeholder=placeholder(read.picture),
        title=details.title,
        description=details.description,
        tags=list(details.tags),
        author=details.author,
        licence=details.licence,
        source_link=details.source_link,
    )
    if store:
        if not location:
            storage.put(storage.original_key(image_id), data, FORMATS[read.format].mime)
        storage.put(storage.rendition_key(image_id, storage.THUMBNAIL), small, "image/webp")
    return Prepared(image, read.picture)


def add_rows(prepared: Sequence[Prepared], *, embed: bool = True) -> None:
    """Embed pictures and write their rows, all or none. A row that another model left gets the new vector.

    Without `embed` new rows wait for their vectors, and those that are there stay as they are.
    Raises ModelUnavailable.
    """
    if not prepared:
        return
    if embed:
        encoder = picture_encoder()
        vectors = encoder.encode_pictures([one.picture for one in prepared])
        for one, vector in zip(prepared, vectors, strict=True):
            one.image.embedding, one.image.embedding_backend = vector, encoder.backend
            one.image.embedding_model = active_model()
    images = [one.image for one in prepared]
    with transaction.atomic():
        Image.objects.bulk_create(images, ignore_conflicts=True)
        if not embed:
            return
        ids = [image.id for image in images]
        stale = set(
            Image.objects.filter(pk__in=ids).exclude(embedding_model=active_model()).values_list("pk", flat=True)
        )
        Image.objects.bulk_update(
            [image for image in images if image.id in stale],
            ["embedding", "embedding_model", "embedding_backend"],
            batch_size=100,
        )


def known(image_ids: Sequence[uuid.UUID], *, pending: bool = False) -> set[uuid.UUID]:
    """Return those of `image_ids` that need nothing more: they are there, with a vector of the active model.

    With `pending` those that wait for one, or whose vector another model made, need nothing more either.
    """
    there = Image.objects.filter(pk__in=image_ids)
    return set((there if pending else there.filter(embedding_model=active_model())).values_list("pk", flat=True))


def keep_objects(image_ids: Sequence[uuid.UUID]) -> None:
    """Call off deletions that are owed for pictures which come back; waits for one that is under way.

    Before the objects are stored, or a deletion could take them from under the new row.
    """
    OwedDeletion.objects.filter(pk__in=image_ids).delete()


def add_picture(data: bytes, details: Details, uploader: "User | None") -> Added:
    """Add one uploaded picture; it is found by the next search. The same bytes again change nothing.

    Raises UnreadableImage, StorageUnavailable and ModelUnavailable.
    """
    image_id = content_id(data)
    there = Image.objects.filter(pk=image_id).first()
    if there and there.embedding_model == active_model():
        return Added(there, is_new=False)
    picture_encoder()  # without a model nothing is stored
    keep_objects([image_id])
    add_rows([prepare(data, details, image_id=image_id, uploader=uploader)])
    if not storage.exists(storage.original_key(image_id)):
        # While this one waited for the model, the same file was added and deleted, objects and all.
        prepare(data, details, image_id=image_id, uploader=uploader)
    return Added(Image.objects.get(pk=image_id), is_new=there is None)
