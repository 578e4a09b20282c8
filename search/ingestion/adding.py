"""One picture on its way in. Objects are written first, rows second."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error, transaction
from django.utils.translation import gettext as _

from search import decoding
from search.curation.captures import UPLOADED, OfFile, Written, all_said, captioned, fields_stated, hash_of
from search.curation.details import Details, clean_tags
from search.decoding import Seen, Source, Window, size_of
from search.embedding import ModelUnavailable, active_model, other_picture_encoder, picture_encoder, require_fit
from search.imaging import FORMATS
from search.ingestion.pipeline.rows import known, staging
from search.ingestion.pipeline.windows import Encoded, encode_seen
from search.ingestion.repair import known_rows, note_moved, restore
from search.models import Image, Private
from search.models.active_pair import Choice, Named, chosen, one_choice
from search.models.albums import Visibility
from search.models.image import content_id
from search.models.vector_values import WrongVectors
from search.objects import storage
from search.objects.deletion import deleted_before, deletions_blocked, mark_for_deletion, remove_orphans
from search.objects.full import no_room

if TYPE_CHECKING:
    from django.contrib.auth.models import User


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture whose row lacks the vector only, and the objects that are to be stored before it.

    `seen` is what the model is to see, None where that is left to others; `original` is empty where the original
    stays elsewhere.
    """

    image: Image
    seen: Seen | None = field(repr=False)
    original: Source = field(repr=False)
    thumbnail: bytes = field(repr=False)
    # The models for which it was decoded, and which are to encode it.
    choice: Choice = field(default_factory=chosen, repr=False)

    def store(self) -> None:
        """Store the objects. Raises StorageUnavailable."""
        key = self.image.id
        if self.original:
            storage.put(storage.original_key(key), self.original, FORMATS[self.image.format].mime)
        storage.put(storage.rendition_key(key, storage.THUMBNAIL), self.thumbnail, "image/webp")


class DeletedPicture(Exception):
    """A picture was deleted, and this person may not bring it back. The message is for them."""

    def __init__(self) -> None:
        super().__init__(_("This picture was here before, and a curator has deleted it."))


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an upload: `image` is the row, `is_new` tells whether it was made just now,
    and `is_restored` whether it was in the trash."""

    image: Image
    is_new: bool
    is_restored: bool = False


def read_for_model(source: Source, window: Window = None) -> Seen:
    """Return what the model is to see of a file of the collection. Raises UnreadableImage, and decoding.Busy."""
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

    Where the details say nothing, what is written in the file and beside it is taken, if that is wanted; `tags` come
    in any case.

    What the model is to see is cut where its `window` is known, and left out where it is not wanted. Raises
    UnreadableImage, and decoding.Busy.
    """
    found = decoding.prepared_picture(
        source,
        max_pixels=settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000,
        longest=storage.THUMBNAIL,
        window=window,
        with_picture=with_picture,
        xmp=written.sidecars.get("xmp", b""),
    )
    said = all_said(written, found.said.sidecar, found.said.file, details.capture)
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
    beside = hash_of(written.sidecars) if written.name else None
    image.of_file = OfFile(found.pixels, beside, found.perceptual, found.colours)
    return Prepared(image, found.seen, b"" if location else source, found.thumbnail)


def window_for_models() -> Window:
    """Return how the model sees pictures; None, which leaves that to the models, where two of them are to see one.

    Raises ModelUnavailable.
    """
    window = picture_encoder().window
    return None if chosen().next else window


def embed(prepared: Sequence[Prepared]) -> None:
    """Give rows that are to be written their vectors, also those of a model that is being prepared.

    Each of the models that were chosen when it was decoded for them. Raises ModelUnavailable and WrongVectors.
    """
    for choice in dict.fromkeys(one.choice for one in prepared):
        with one_choice(choice):
            _embed([one for one in prepared if one.choice == choice])


def _embed(prepared: Sequence[Prepared]) -> None:
    encoder = picture_encoder()
    seen = [one.seen for one in prepared if one.seen]
    found = encode_seen(encoder, seen)
    for one, encoded in zip(prepared, found, strict=True):
        encoded.given_to(one.image)
        one.image.embedding_model, one.image.embedding_backend = active_model(), encoder.backend
    if following := chosen().next:
        for one, encoded in zip(prepared, encoded_beside(following, seen), strict=False):
            one.image.next_vector = following.model, encoded


def encoded_beside(named: Named, seen: Sequence[Seen]) -> list[Encoded]:
    """Return the vectors of a model that is being prepared; none where it can't give them here and now.

    Such pictures are not lost: they are among those that `switch_model` encodes, at the latest before it activates it.
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
    """Add one uploaded picture; it is found by the next search, of those who may see it. What is `written` in it is
    taken where that says so.

    The same bytes again change nothing, but bring back what is missing of the original and the thumbnail. What was
    deleted is added again for curators alone.
    Raises UnreadableImage, DeletedPicture, decoding.Busy, StorageUnavailable, ModelUnavailable and WrongVectors.
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
    window = window_for_models()  # which is wanted first: a picture takes long to decode
    require_fit()
    prepared = prepare(source, details, image_id=image_id, uploader=uploader, window=window, written=written)
    embed([prepared])  # before anything is stored: it may fail
    is_new = not Image.objects.filter(pk=image_id).exists()
    try:
        with deletions_blocked([image_id]):
            mark_for_deletion(deleted_before([image_id]))  # should it not arrive, nothing of it stays
            prepared.store()
            # What is private is so from the first moment on, in which its row is seen.
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
    """Whether somebody looks after the collection: what was deleted is theirs to bring back."""
    if user is None or not user.is_staff:
        return False
    return user.has_perm("search.change_image") or user.has_perm("search.delete_image")


def _restore(image_id: uuid.UUID, source: Source) -> None:
    for row in known_rows([image_id]).values():
        restored = restore(row, source)
        if restored.moved is not None:
            note_moved(row, restored.moved)
