"""Add one picture. Objects are written first, the row second."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error, transaction
from django.utils.translation import gettext as _

from search import decoding
from search.curation.details import Details, clean_tags
from search.curation.metadata_import import (
    UPLOADED,
    OfFile,
    Written,
    captioned,
    fields_stated,
    hash_of,
    merged_metadata,
)
from search.decoding import Seen, Source, Window, size_of
from search.embedding import ModelUnavailable, active_model, other_picture_encoder, picture_encoder, require_fit
from search.imaging import FORMATS
from search.ingestion.missing_object_repair import known_rows, note_moved, restore
from search.ingestion.pipeline.rows import known, staging
from search.ingestion.pipeline.window_vectors import Encoded, encode_seen
from search.models import Image, Private
from search.models.active_pair import Choice, Named, chosen, one_choice
from search.models.albums import Visibility
from search.models.image import content_id
from search.models.vector_values import WrongVectors
from search.objects import storage
from search.objects.deletion import deleted_before, deletions_blocked, mark_for_deletion, remove_orphans
from search.objects.disk_full import no_room

if TYPE_CHECKING:
    from django.contrib.auth.models import User


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture whose row lacks only the vector, and the objects to store before it.

    `seen` is the input of the model, None if it is embedded later; `original` is empty if the original stays
    elsewhere.
    """

    image: Image
    seen: Seen | None = field(repr=False)
    original: Source = field(repr=False)
    thumbnail: bytes = field(repr=False)
    # The models for which it was decoded and that encode it.
    choice: Choice = field(default_factory=chosen, repr=False)

    def store(self) -> None:
        """Store the objects. Raises StorageUnavailable."""
        key = self.image.id
        if self.original:
            storage.put(storage.original_key(key), self.original, FORMATS[self.image.format].mime)
        storage.put(storage.rendition_key(key, storage.THUMBNAIL), self.thumbnail, "image/webp")


class DeletedPicture(Exception):
    """The picture was deleted and this user may not add it again. The message is for the user."""

    def __init__(self) -> None:
        super().__init__(_("This picture was added before, and a curator has deleted it."))


@dataclass(frozen=True, slots=True)
class Added:
    """The result of an upload: `image` is the row, `is_new` says whether it was created, and `is_restored` whether it
    was in the trash."""

    image: Image
    is_new: bool
    is_restored: bool = False


def read_for_model(source: Source, window: Window = None) -> Seen:
    """Return the model's input for a file of the collection. Raises UnreadableImage and decoding.Busy."""
    return decoding.picture_for_model(
        source,
        max_pixels=settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000,
        longest=storage.THUMBNAIL,
        window=window,
        of_collection=True,
    )


def prepare(
    source: Source,
    details: Details,
    *,
    image_id: uuid.UUID,
    uploader: "User | None" = None,
    location: str = "",
    window: Window = None,
    with_picture: bool = True,
    written: Written = UPLOADED,
    tags: Sequence[str] = (),
) -> Prepared:
    """Decode a picture and fill in its row; with a `location` the original stays there.

    Fields that the details leave empty are filled from the file and its sidecars if `written.captions` is set; `tags`
    are always added. The model's input is cut to `window` if given, and left out without `with_picture`. Raises
    UnreadableImage and decoding.Busy.
    """
    found = decoding.prepared_picture(
        source,
        max_pixels=settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000,
        longest=storage.THUMBNAIL,
        window=window,
        with_picture=with_picture,
        xmp=written.sidecars.get("xmp", b""),
    )
    said = merged_metadata(written, found.said.sidecar, found.said.file, details.capture)
    stated = fields_stated(details)
    if written.captions:
        details = captioned(details, said)
    image = Image(
        id=image_id,
        embedding_backend="",
        embedding_failure="",
        uploader=uploader,
        original_location=location,
        format=found.format,
        width=found.width,
        height=found.height,
        byte_size=size_of(source),
        dominant_colour=found.dominant_colour,
        placeholder=found.placeholder,
        title=details.title,
        description=details.description,
        tags=clean_tags([*details.tags, *tags]) if tags else list(details.tags),
        author=details.author,
        licence=details.licence,
        source_link=details.source_link,
    )
    image.said, image.stated = said, stated
    sidecars_hash = hash_of(written.sidecars) if written.name else None
    image.of_file = OfFile(found.pixels, sidecars_hash, found.perceptual, found.colours)
    return Prepared(image, found.seen, b"" if location else source, found.thumbnail)


def window_for_models() -> Window:
    """Return the input window of the model; None, for an uncropped picture, if two models will encode it.

    Raises ModelUnavailable.
    """
    window = picture_encoder().window
    return None if chosen().next else window


def embed(prepared: Sequence[Prepared]) -> None:
    """Set the vectors of rows before they are written, also those of a model that is being prepared.

    Each picture is encoded by the models for which it was decoded. Raises ModelUnavailable and WrongVectors.
    """
    for choice in dict.fromkeys(one.choice for one in prepared):
        with one_choice(choice):
            _embed([one for one in prepared if one.choice == choice])


def _embed(prepared: Sequence[Prepared]) -> None:
    encoder = picture_encoder()
    seen = [one.seen for one in prepared if one.seen]
    found = encode_seen(encoder, seen)
    for one, encoded in zip(prepared, found, strict=True):
        encoded.set_on(one.image)
        one.image.embedding_model, one.image.embedding_backend = active_model(), encoder.backend
    if following := chosen().next:
        for one, encoded in zip(prepared, next_vectors(following, seen), strict=False):
            one.image.next_vector = following.model, encoded


def next_vectors(named: Named, seen: Sequence[Seen]) -> list[Encoded]:
    """Return the vectors of a model that is being prepared; none if it can't encode here and now.

    `switch_model` encodes such pictures later, at the latest before it activates the model.
    """
    try:
        encoder = other_picture_encoder(named.pair)
        return encode_seen(encoder, seen) if encoder else []
    except (ModelUnavailable, WrongVectors) as error:
        logger.warning("%d pictures have no vector of %s yet: %s", len(seen), named.pair.image, error)
        return []


def add_picture(
    source: Source,
    details: Details,
    uploader: "User | None",
    *,
    written: Written = UPLOADED,
    visibility: str = Visibility.PUBLIC,
) -> Added:
    """Add one uploaded picture; the next search finds it, for those who may see it. Metadata in the file is used if
    `written` allows it.

    Known bytes change nothing, except that a missing original or thumbnail is restored. Only curators can add a
    deleted picture again. Raises UnreadableImage, DeletedPicture, decoding.Busy, StorageUnavailable, ModelUnavailable
    and WrongVectors.
    """
    with one_choice():
        return _added(source, details, uploader, written, visibility)


def _added(source: Source, details: Details, uploader: "User | None", written: Written, visibility: str) -> Added:
    image_id = content_id(source)
    if known([image_id]):
        with deletions_blocked([image_id]):
            _restore(image_id, source)
            there = Image.objects.filter(pk=image_id).first()
        if there:
            return Added(there, is_new=False)
    again = is_curator(uploader)
    if not again and deleted_before([image_id]):
        raise DeletedPicture
    window = window_for_models()  # load the model first: decoding takes long
    require_fit()
    prepared = prepare(source, details, image_id=image_id, uploader=uploader, window=window, written=written)
    embed([prepared])  # before anything is stored, since it may fail
    is_new = not Image.objects.filter(pk=image_id).exists()
    try:
        with deletions_blocked([image_id]):
            mark_for_deletion(deleted_before([image_id]))  # if this fails, its objects are deleted
            prepared.store()
            # A private picture must be hidden from the moment its row is visible.
            prepared.image.hidden = visibility != Visibility.PUBLIC
            with staging() as rows, transaction.atomic():
                if (written_now := rows.write([prepared.image], again=again)).deleted:
                    raise DeletedPicture
                if prepared.image.hidden and image_id in written_now.new:
                    Private.objects.create(image_id=image_id, visibility=visibility, hidden=False)
    except (storage.StorageUnavailable, Error) as error:
        if no_room(error):
            remove_orphans([image_id])
        raise
    return Added(Image.objects.get(pk=image_id), is_new=is_new)


def is_curator(user: "User | None") -> bool:
    """Whether the user may bring deleted pictures back."""
    if user is None or not user.is_staff:
        return False
    return user.has_perm("search.change_image") or user.has_perm("search.delete_image")


def _restore(image_id: uuid.UUID, source: Source) -> None:
    for row in known_rows([image_id]).values():
        restored = restore(row, source)
        if restored.moved is not None:
            note_moved(row, restored.moved)
