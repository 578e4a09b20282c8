"""Apply changed tables, changed sidecars and `--tag` to pictures that are known already."""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from search import decoding
from search.curation.cleaned_details import Details, clean_tags
from search.curation.metadata_import import CAPTIONS, EDITED_WITH, as_kept, fields_stated, hash_of, of_sidecars
from search.curation.place_lookup import place_pictures
from search.curation.revisions import record_since
from search.curation.snapshots import current, plain
from search.imaging import UnreadableImage
from search.ingestion.items import Item
from search.ingestion.metadata_rereading import edited_fields
from search.metadata import PhotoMetadata, merged
from search.metadata.photo_metadata import NOTHING
from search.models import Capture, Image, Revision
from search.models.edits_with_history import write
from search.models.given_states import Row
from search.models.sql_statements import execute

_COLUMNS = {
    "taken": "taken",
    "taken_offset": "offset",
    "taken_from": "taken_from",
    "rating": "rating",
    "latitude": "latitude",
    "longitude": "longitude",
    "camera": "camera",
    "lens": "lens",
}
"""Columns filled from sidecars besides text, and their names in PhotoMetadata."""


@dataclass(frozen=True, slots=True)
class ChangedSidecars:
    """Metadata of sidecars that changed since they were last read; `is_first` if they were never read before."""

    said: PhotoMetadata
    sidecars: uuid.UUID
    is_first: bool


@dataclass(frozen=True, slots=True)
class Update:
    """New details of a known picture: from a table, and from its sidecars."""

    image_id: uuid.UUID
    details: Details
    changed_sidecars: ChangedSidecars | None = None

    @property
    def says_anything(self) -> bool:
        return self.changed_sidecars is not None or self.details != Details()


def sidecars_read(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID | None]:
    """Return the hashes of the sidecars of these images when they were last read."""
    return dict(Capture.objects.filter(pk__in=image_ids).values_list("pk", "sidecars"))


def changed_sidecars(item: Item, before: uuid.UUID | None) -> ChangedSidecars | None:
    """Return the metadata of a picture's sidecars, unless their hash is `before`. Thread-safe, without the
    database."""
    sidecars = item.sidecars()
    present = hash_of(sidecars)
    if not sidecars or present == before:  # removed sidecars change nothing
        return None
    said = of_sidecars(sidecars)
    if xmp := sidecars.get("xmp"):
        with suppress(UnreadableImage):  # the decoder failed: use the rest
            said = merged(said, decoding.written_in(b"\0", xmp=xmp).sidecar)
    return ChangedSidecars(said, present, is_first=before is None)


@dataclass(frozen=True, slots=True)
class _Written:
    """What an update writes: text fields and columns of the capture that change, and its stated fields if they
    change."""

    update: Update
    words: Mapping[str, Any]
    captured: Mapping[str, Any]
    stated: Sequence[str]

    @property
    def is_change(self) -> bool:
        return bool(self.words or self.captured)


def update_details(updates: Sequence[Update], tags: Sequence[str], *, revision: Revision | None) -> int:
    """Write new details of images, except fields that people have edited, as part of this revision; return how many
    images change. Without a revision nothing is written.

    Tables take precedence over changed sidecars. Sidecars read for the first time fill empty fields only. Fields
    without a new value keep theirs.
    """
    by_id: dict[uuid.UUID, Update] = {}
    for one in updates if tags else [one for one in updates if one.says_anything]:
        by_id[one.image_id] = _together(one, by_id.get(one.image_id, one))
    if not by_id:
        return 0
    written: list[_Written] = []
    with transaction.atomic():
        rows = Image.objects.filter(pk__in=by_id).only("pk", "tags", *CAPTIONS).order_by("pk")
        images = list(rows.select_for_update(no_key=True))
        edited = edited_fields([image.pk for image in images])
        captures = Capture.objects.in_bulk([image.pk for image in images])
        before = current(by_id) if revision else {}
        for image in images:
            update, kept = by_id[image.pk], edited.get(image.pk, set())
            capture = captures.get(image.pk) or Capture(image_id=image.pk)
            words, captured = _words(image, update, tags, kept, capture.stated), _captured(capture, update, kept)
            stated = set(fields_stated(update.details)).difference(capture.stated)
            written.append(_Written(update, words, captured, [*capture.stated, *sorted(stated)] if stated else []))
        if revision:
            _write(written)
            record_since(before, revision)
    return sum(one.is_change for one in written)


def _together(update: Update, other: Update) -> Update:
    """Merge two updates of one picture."""
    details = other.details if update.details == Details() else update.details
    return replace(update, details=details, changed_sidecars=update.changed_sidecars or other.changed_sidecars)


def _words(
    image: Image, update: Update, tags: Sequence[str], kept: Collection[str], stated: Collection[str]
) -> dict[str, Any]:
    """Return the text fields that change. Sidecars don't override what a table has `stated`."""
    from_sidecars = update.changed_sidecars.said if update.changed_sidecars else PhotoMetadata()
    fills = update.changed_sidecars is not None and update.changed_sidecars.is_first
    values: dict[str, Any] = {}
    for name in CAPTIONS:
        present = getattr(image, name)
        said = present if name in stated or (fills and present) else getattr(from_sidecars, name)
        values[name] = as_kept(name, getattr(update.details, name) or said)
    stays = "tags" in stated or (fills and image.tags)
    keywords = update.details.tags or (image.tags if stays else from_sidecars.keywords) or image.tags
    values["tags"] = clean_tags([*keywords, *tags])
    return {
        name: value for name, value in values.items() if value and name not in kept and value != getattr(image, name)
    }


def _captured(capture: Capture, update: Update, kept: Collection[str]) -> dict[str, Any]:
    """Return the columns of capture time, place and camera that change."""
    in_table = update.details.capture
    if update.changed_sidecars is None and in_table == NOTHING:
        return {}
    present = PhotoMetadata(**{name: getattr(capture, column) for column, name in _COLUMNS.items()})
    if capture.is_about:
        present = replace(present, taken=None, offset=None, taken_from="")
    said = present
    if update.changed_sidecars:
        from_sidecars = _without(update.changed_sidecars.said, capture.stated)
        said = merged(present, from_sidecars) if update.changed_sidecars.is_first else merged(from_sidecars, present)
    said = merged(in_table, said)
    if said.taken is None:
        said = replace(said, taken=capture.taken, offset=capture.taken_offset, taken_from=capture.taken_from)
    found = {column: getattr(said, name) for column, name in _COLUMNS.items()}
    return {
        column: value
        for column, value in found.items()
        if EDITED_WITH.get(column, column) not in kept and value != getattr(capture, column)
    }


def _without(said: PhotoMetadata, stated: Collection[str]) -> PhotoMetadata:
    """Return the metadata without the columns that a table has `stated`."""
    names = [name for column, name in _COLUMNS.items() if EDITED_WITH.get(column, column) in stated]
    return replace(said, **{name: getattr(NOTHING, name) for name in names})


def _write(written: Sequence[_Written]) -> None:
    """Write the new values of these images and their captures in a few statements."""
    changed = [one for one in written if one.is_change]
    write([Row(one.update.image_id, {}, {**one.words, **_plain(one.captured)}) for one in changed])
    # `read_metadata` still has to read the files of those that had no capture.
    sources = [
        {
            "image_id": str(one.update.image_id),
            "sidecars": str(one.update.changed_sidecars.sidecars) if one.update.changed_sidecars else None,
            "stated": one.stated,
        }
        for one in written
        if one.update.changed_sidecars or one.stated
    ]
    if sources:
        execute(_SOURCES, [json.dumps(sources)])
    if moved := [one.update.image_id for one in changed if {"latitude", "longitude"}.intersection(one.captured)]:
        place_pictures(moved)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in values.items()}


_SOURCES = """
INSERT INTO search_capture AS capture (image_id, sidecars, stated)
SELECT image_id, sidecars, stated
FROM jsonb_to_recordset(%s::jsonb) AS given (image_id uuid, sidecars uuid, stated varchar[]) ORDER BY image_id
ON CONFLICT (image_id) DO UPDATE SET sidecars = coalesce(excluded.sidecars, capture.sidecars),
    stated = CASE WHEN excluded.stated = '{}' THEN capture.stated ELSE excluded.stated END
"""
