"""What people did to a picture, for another one that comes of it."""

import uuid

from search.ingestion.captures import CAPTIONS, note_edits
from search.ingestion.rewriting import edited_fields
from search.models import Capture, Image

_WORDS = ("tags", *CAPTIONS)
_WITH = {"taken": ("taken_offset", "taken_from"), "latitude": ("longitude",)}
"""Fields that are edited together with another one."""


def take_along(image_id: uuid.UUID, other_id: uuid.UUID) -> None:
    """Have an image that was just added take over what people did to the one that was another version of it: whether
    it is hidden, and what was edited; and where it says nothing of its own, what is said there. In a transaction."""
    columns = ("pk", "hidden", *_WORDS)
    images = Image.objects.only(*columns).in_bulk([image_id, other_id])
    image, other = images.get(image_id), images.get(other_id)
    if image is None or other is None:
        return
    edited = edited_fields([other_id]).get(other_id, set())
    values = {name: getattr(other, name) for name in _WORDS if name in edited or not getattr(image, name)}
    Image.objects.filter(pk=image_id).update(hidden=other.hidden or image.hidden, **values)
    names = {field.name for field in Capture._meta.fields}.intersection(edited)
    note_edits([image_id], edited.intersection(_WORDS) | names)
    captured = Capture.objects.filter(pk=other_id).first()
    names.update(*(_WITH.get(name, ()) for name in tuple(names)))
    if captured and names:
        Capture.objects.filter(pk=image_id).update(**{name: getattr(captured, name) for name in names})
