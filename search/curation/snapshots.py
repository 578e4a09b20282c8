"""The present state of pictures, in the form stored in revisions."""

import datetime as dt
import marshal
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from search.curation.metadata_import import CAPTIONS, EDITED_WITH
from search.models import Capture, Image, Trashed
from search.models.albums import Visibility, albums_of
from search.models.conflicts import locked_values
from search.models.edits_with_history import CAPTURE_COLUMNS, IMAGE_COLUMNS
from search.models.given_states import State
from search.models.privacy import levels_of

ALL = (*IMAGE_COLUMNS, *CAPTURE_COLUMNS)
_MARKED = {"tags", *CAPTIONS}
_NOTHING = Capture()


def plain(value: Any) -> Any:
    """Return a value in its JSON form."""
    return value.isoformat() if isinstance(value, dt.datetime) else value


def as_bytes(state: dict[str, Any]) -> bytes:
    """Return a key that equal states have in common: of many pictures most have the same state, which is changed
    once."""
    return marshal.dumps(state, 2)  # later versions of the format depend on who else holds the objects


def mark_of(name: str) -> str:
    """Return the field name under which edits of a column are recorded; "" if they are not."""
    if name in CAPTURE_COLUMNS:
        return EDITED_WITH.get(name, name)
    return name if name in _MARKED else ""


def marks_of(names: Iterable[str]) -> set[str]:
    return {mark for name in names if (mark := mark_of(name))}


def lock(images: "QuerySet[Image]", names: Sequence[str]) -> dict[uuid.UUID, dict[str, Any]]:
    """Lock these images until the transaction ends; return the states of those that exist, by id.

    "edited" has, for the fields in `names`, whether a person has edited them. Raises the lock errors of
    `search.models.conflicts`.
    """
    own = [name for name in names if name in IMAGE_COLUMNS]
    keys = ["uploader_id" if name == "uploader" else name for name in own]
    rows = locked_values(images, "pk", *keys)
    states = {row[0]: dict(zip(own, row[1:], strict=True)) for row in rows}
    _with_captures(states, names)
    _with_trash(states, names)
    _with_privacy(states, names)
    _with_albums(states, names)
    return states


def current(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """Return the states, with all columns, of images that this transaction has locked already."""
    keys = ["uploader_id" if name == "uploader" else name for name in IMAGE_COLUMNS]
    rows = Image.objects.filter(pk__any_of=image_ids).order_by("pk").values_list("pk", *keys)
    states: dict[uuid.UUID, dict[str, Any]] = {row[0]: dict(zip(IMAGE_COLUMNS, row[1:], strict=True)) for row in rows}
    _with_captures(states, ALL)
    return states


def _with_captures(states: dict[uuid.UUID, dict[str, Any]], names: Sequence[str]) -> None:
    marks = marks_of(names)
    if not marks:
        return
    columns = [name for name in names if name in CAPTURE_COLUMNS]
    rows = Capture.objects.filter(image__pk__any_of=states.keys()).values_list("pk", "edited", *columns)
    found = {row[0]: row[1:] for row in rows}
    nothing = ((), *(getattr(_NOTHING, name) for name in columns))
    for image_id, state in states.items():
        edited, *values = found.get(image_id, nothing)
        state.update(zip(columns, map(plain, values), strict=True))
        state["edited"] = {name: name in edited for name in marks}


def _with_privacy(states: dict[uuid.UUID, dict[str, Any]], names: Sequence[str]) -> None:
    """A private picture has `hidden` set; report whether curators have hidden it."""
    if not {"hidden", "visibility"}.intersection(names):
        return
    private = levels_of(states.keys())
    for image_id, state in states.items():
        if "hidden" in state and image_id in private:
            state["hidden"] = private[image_id][1]
        if "visibility" in names:
            state["visibility"] = private[image_id][0] if image_id in private else str(Visibility.PUBLIC)


def _with_albums(states: dict[uuid.UUID, dict[str, Any]], names: Sequence[str]) -> None:
    if "albums" in names:
        found = albums_of(states.keys())
        for image_id, state in states.items():
            state["albums"] = found.get(image_id, [])


def _with_trash(states: dict[uuid.UUID, dict[str, Any]], names: Sequence[str]) -> None:
    """A picture in the trash has `hidden` set; report whether it was hidden before."""
    was_hidden = dict(Trashed.objects.filter(image__pk__any_of=states.keys()).values_list("pk", "was_hidden"))
    for image_id, state in states.items():
        state["trashed"] = image_id in was_hidden
        if "hidden" in state and image_id in was_hidden:
            state["hidden"] = was_hidden[image_id]


def marked_edited(before: State, after: State) -> State:
    """Return `after` with all differing fields marked as edited by a person."""
    marks = marks_of(name for name, value in after.items() if before[name] != value)
    return {**after, "edited": {**before.get("edited", {}), **dict.fromkeys(marks, True)}}
