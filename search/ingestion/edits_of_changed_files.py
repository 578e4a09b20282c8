"""Carry people's edits over from one image to another version of it."""

import uuid

from search.curation.metadata_import import CAPTIONS, EDITED_WITH, note_edits
from search.curation.place_lookup import place_pictures
from search.ingestion.metadata_rereading import edited_fields
from search.models import Capture, Image, Private, Trashed
from search.models.albums import hand_over_albums
from search.models.privacy import hand_over_privacy, levels_of

_WORDS = ("tags", *CAPTIONS)


def copy_to_new_version(image_id: uuid.UUID, other_id: uuid.UUID) -> None:
    """Copy people's edits from `other_id` to an image that was just added as another version of it, and fill its empty
    fields. Call in a transaction."""
    columns = ("pk", *_WORDS)
    images = Image.objects.only(*columns).in_bulk([image_id, other_id])
    image, other = images.get(image_id), images.get(other_id)
    if image and other:
        copy_edits(image_id, other_id)
        edited = edited_fields([other_id]).get(other_id, set())
        lacking = {name: getattr(other, name) for name in _WORDS if name not in edited and not getattr(image, name)}
        if lacking:
            Image.objects.filter(pk=image_id).update(**lacking)


def copy_edits(image_id: uuid.UUID, other_id: uuid.UUID) -> None:
    """Copy people's edits from another image: whether it is hidden, its albums, and the fields edited there and not
    here. Call in a transaction."""
    hand_over_albums(other_id, image_id)
    hand_over_privacy(other_id, image_id)
    found = edited_fields([image_id, other_id])
    edited = found.get(other_id, set()) - found.get(image_id, set())
    other = Image.objects.only("pk", "hidden", *_WORDS).get(pk=other_id)
    values = {name: getattr(other, name) for name in _WORDS if name in edited}
    if values:
        Image.objects.filter(pk=image_id).update(**values)
    if _is_hidden(other):
        Image.objects.filter(pk=image_id).update(hidden=True)
        Private.objects.filter(pk=image_id).update(hidden=True)
    names = {field.name for field in Capture._meta.fields}.intersection(edited)
    note_edits([image_id], edited.intersection(_WORDS) | names)
    captured = Capture.objects.filter(pk=other_id).first()
    if captured and captured.stated:
        # Fields stated by a table stay marked as such, too.
        Capture.objects.filter(pk=image_id, stated=[]).update(stated=captured.stated)
    names |= {column for column, edited_with in EDITED_WITH.items() if edited_with in names}
    if captured and names:
        Capture.objects.filter(pk=image_id).update(**{name: getattr(captured, name) for name in names})
        if "latitude" in names:
            place_pictures([image_id])


def _is_hidden(image: Image) -> bool:
    """Whether curators have hidden it, even if it is also private or in the trash."""
    if private := levels_of([image.pk]).get(image.pk):
        return private[1]
    trashed = Trashed.objects.filter(pk=image.pk).first()
    return trashed.was_hidden if trashed else image.hidden
