"""Compare a changed file with the picture known at its address: a file that changes stays one picture."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from django.conf import settings

from search import decoding
from search.curation.details import Details, clean_tags
from search.curation.metadata_import import CAPTIONS, OfFile, Written, as_kept, merged_metadata
from search.decoding import Window
from search.embedding import active_model
from search.imaging import UnreadableImage
from search.ingestion.items import Item
from search.ingestion.sources.still_there import ExistenceCheck
from search.metadata import PhotoMetadata, TakenFrom
from search.models import Capture, Image, Origin
from search.models.accepted_models import accepted_names
from search.models.sql_statements import fetch_all
from search.objects import storage


@dataclass(frozen=True, slots=True)
class Before:
    """The picture last found at an address; `is_deleted` if it was deleted on purpose."""

    image_id: uuid.UUID
    is_deleted: bool
    pixels: uuid.UUID | None = None
    model: str = ""
    original_location: str = ""
    byte_size: int = 0

    @property
    def is_searchable(self) -> bool:
        return self.model in accepted_names(active_model())


@dataclass(frozen=True, slots=True)
class Change:
    """The changes of a new version: whether its pixels are the same, the metadata of the file before (None if
    unavailable) and now, and the details and tags of this run."""

    before: Before
    is_same_picture: bool
    said_before: PhotoMetadata | None
    said: PhotoMetadata
    details: Details
    tags: Sequence[str]
    captions: bool
    of_file: OfFile

    @property
    def keeps_vector(self) -> bool:
        """Whether the vector of the previous version is valid for this one."""
        return self.is_same_picture and self.before.is_searchable


_BEFORE = """
SELECT origin.address, origin.seen, origin.image_id, image.id IS NULL,
    coalesce(capture.pixels, tombstone.pixels), image.embedding_model, image.original_location, image.byte_size
FROM search_origin origin
LEFT JOIN search_image image ON image.id = origin.image_id
LEFT JOIN search_capture capture ON capture.image_id = origin.image_id
LEFT JOIN search_tombstone tombstone ON tombstone.image_id = origin.image_id
WHERE origin.address = ANY(%s) AND (image.id IS NOT NULL OR tombstone.image_id IS NOT NULL)
ORDER BY origin.address, origin.seen DESC
"""


def previous_versions(items: Iterable[tuple[Item, uuid.UUID]]) -> dict[str, Before]:
    """Return, by address, the picture last found there if it isn't the item's.

    If two were found there at the same time, as members with one name in an archive are, neither is returned.
    """
    wanted = {item.address: image_id for item, image_id in items if item.address}
    if not wanted:
        return {}
    rows = fetch_all(_BEFORE, [list(wanted)])
    found: dict[str, Before | None] = {}
    last: dict[str, object] = {}
    for address, seen, image_id, is_deleted, pixels, model, location, size in rows:
        if address not in last:
            last[address] = seen
            found[address] = Before(image_id, is_deleted, pixels, model or "", location or "", size or 0)
        elif (other := found[address]) and last[address] == seen and other.image_id != image_id:
            found[address] = None
    return {address: one for address, one in found.items() if one and one.image_id != wanted[address]}


def moved_with_pixels(fresh: Mapping[uuid.UUID, uuid.UUID], existence: ExistenceCheck) -> dict[uuid.UUID, Before]:
    """Return, for new images given by the hashes of their pixels, which picture each is a new version of: the only one
    with the same pixels, if it was ingested and none of its files exists any more."""
    columns = ("pixels", "pk", "image__embedding_model", "image__original_location", "image__byte_size")
    rows = Capture.objects.filter(pixels__in=list(fresh), image__uploader=None).exclude(pk__in=fresh.values())
    found: dict[uuid.UUID, list[Before]] = {}
    for pixels, image_id, model, location, size in rows.values_list(*columns):
        before = Before(
            image_id, is_deleted=False, pixels=pixels, model=model, original_location=location, byte_size=size
        )
        found.setdefault(pixels, []).append(before)
    places: dict[uuid.UUID, list[str]] = {}
    alone = {one.image_id for some in found.values() for one in some if len(some) == 1}
    for image_id, address in Origin.objects.filter(image_id__in=alone).values_list("image_id", "address"):
        places.setdefault(image_id, []).append(address)
    left = {image_id for image_id, some in places.items() if all(map(existence.has_left, some))}
    return {fresh[pixels]: one for pixels, (one, *_) in found.items() if one.image_id in left}


def change_of(
    before: Before, image: Image, details: Details, tags: Sequence[str], written: Written, window: Window
) -> Change:
    """Compare a new version with the previous one, whose original is read for it. Thread-safe, without the database.

    Raises StorageUnavailable for our storage, NoDecoder and decoding.Busy.
    """
    assert image.said
    assert image.of_file
    known, said_before = before.pixels, None
    if not before.is_deleted:
        # An original that can't be read, as in another bucket, has no metadata to compare.
        with suppress(storage.MissingObject, storage.UnreachableOriginal, UnreadableImage):
            known, said_before = _looked_at(before, written, window)
    is_same = known is not None and known == image.of_file.pixels
    before = replace(before, pixels=known)
    return Change(before, is_same, said_before, image.said, details, tags, written.captions, image.of_file)


def _looked_at(before: Before, written: Written, window: Window) -> tuple[uuid.UUID | None, PhotoMetadata]:
    image = Image(id=before.image_id, original_location=before.original_location, byte_size=before.byte_size)
    data = storage.read_original(image)
    xmp = written.sidecars.get("xmp", b"")
    known, found = before.pixels, None
    if known is None:  # added before pixel hashes were recorded
        prepared = decoding.prepared_picture(
            data,
            max_pixels=settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000,
            longest=storage.THUMBNAIL,
            window=window,
            with_picture=False,
            xmp=xmp,
        )
        known, found = prepared.pixels, prepared.said
    found = found or decoding.written_in(data, xmp=xmp)
    # The modification time of the previous file is unknown.
    return known, merged_metadata(replace(written, changed=None), found.sidecar, found.file)


def words_of(image: Image, change: Change, edited: Collection[str]) -> dict[str, object]:
    """Return the text fields of an image that a new version of its file changes.

    Fields that a person has edited stay. Otherwise the table of this run comes first, then the metadata of the file,
    if the image still has the value that the file had before: what an earlier table said takes precedence over files.
    """
    values: dict[str, object] = {}
    for name in CAPTIONS:
        value = as_kept(name, getattr(change.details, name)) or _caption(name, getattr(image, name), change)
        if name not in edited and value != getattr(image, name):
            values[name] = value
    if "tags" not in edited:
        tags = change.details.tags or _keywords(image.tags, change)
        tags = clean_tags([*tags, *change.tags])
        if tags != image.tags:
            values["tags"] = tags
    return values


def _caption(name: str, present: str, change: Change) -> str:
    said: str = getattr(change.said, name)
    if not change.captions:
        return present
    if change.said_before is None:
        return said or present
    before: str = getattr(change.said_before, name)
    return said if said != before and present in ("", before) else present


def _keywords(present: Sequence[str], change: Change) -> list[str]:
    if not change.captions:
        return list(present)
    said = clean_tags(list(change.said.keywords))
    before = clean_tags(list(change.said_before.keywords)) if change.said_before else []
    kept, gone = {tag.casefold() for tag in said}, {tag.casefold() for tag in before}
    new = [tag for tag in said if tag.casefold() not in gone]
    return [*(tag for tag in present if tag.casefold() not in gone - kept), *new]


def said_of_capture(capture: Capture | None, said: PhotoMetadata) -> PhotoMetadata:
    """Return the metadata of a new version; a modification time does not replace a known capture date."""
    if said.taken_from != TakenFrom.FILE or capture is None or capture.taken is None:
        return said
    return replace(said, taken=capture.taken, offset=capture.taken_offset, taken_from=capture.taken_from)
