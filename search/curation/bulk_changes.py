"""Apply one change to any number of pictures, some thousands at a time in a few statements."""

import uuid
from collections.abc import Collection, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from search.curation.admin_log import log_deletions
from search.curation.change_kinds import Change, Restore, Trash
from search.curation.place_lookup import place_pictures
from search.curation.revisions import record
from search.curation.snapshots import as_bytes, lock, marked_edited
from search.models import Image, Revision
from search.models.conflicts import Conflict, retried
from search.models.edits_with_history import difference, write
from search.models.given_states import Row, State
from search.objects.deletion import delete_images

AT_ONCE = 2_000
"""Images per transaction: locks are held for some tenths of a second, or seconds on a busy machine."""


def change(
    images: "QuerySet[Image] | Collection[uuid.UUID]",
    change: Change,
    *,
    by: Any = None,
    door: str = Revision.Door.ELSEWHERE,
    search: str = "",
) -> Revision:
    """Apply a change to these images; return the revision. Its `count` is the number of images changed; it is unsaved
    (no pk) if there are none.

    Images that are already as requested are not counted, nor those in the trash, unless they are to be restored.
    `search` is the query string by which the images were found at this `door`. If another transaction holds locks, the
    images before stay changed and the revision `is_partial`; if nothing was changed yet, raises the lock errors of
    `search.models.conflicts`.
    """
    revision = Revision(kind=change.kind, by=by, door=door, search=search, given=dict(change.given))
    if isinstance(images, QuerySet):
        keys = list(images.order_by("pk").values_list("pk", flat=True))
    else:
        keys = sorted(set(images))
    for start in range(0, len(keys), AT_ONCE):
        work = partial(_batch, keys[start : start + AT_ONCE], change, revision)
        try:
            # The first batch is retried by the caller, with the whole request.
            retried(work) if start else work()
        except Conflict:
            if not revision.count:
                raise
            revision.is_partial = True
            break
    return revision


def _batch(keys: Collection[uuid.UUID], change: Change, revision: Revision) -> None:
    before = revision.pk, revision.count, revision.full
    try:
        with transaction.atomic():
            _change(keys, change, revision)
    except BaseException:
        # The batch may be retried.
        revision.pk, revision.count, revision.full = before
        raise


def _change(keys: Collection[uuid.UUID], change: Change, revision: Revision) -> None:
    states = lock(Image.objects.filter(pk__any_of=frozenset(keys)), change.columns)
    if isinstance(change, Trash) and not settings.TRASH_DAYS:
        log_deletions(states.keys(), revision.by)
        delete_images(states.keys())
        revision.count += len(states)
        return
    rows: list[Row] = []
    known: dict[bytes, Row | Kept] = {}
    for image_id, state in states.items():
        key = as_bytes(state)
        if key not in known:
            known[key] = _changed(image_id, state, change)
        match known[key]:
            case Row(_, before, after):
                rows.append(Row(image_id, before, after))
            case Kept.FULL:
                revision.full += 1
    put(rows, revision.by)
    record(revision, rows)


class Kept(Enum):
    """Why a change leaves a picture as it is."""

    SAME = auto()
    FULL = auto()
    """It would have too many tags."""


def _changed(image_id: uuid.UUID, state: State, change: Change) -> Row | Kept:
    if state["trashed"] and not isinstance(change, Restore):
        return Kept.SAME
    before = {name: state[name] for name in (*change.columns, "edited") if name in state}
    after = change.after(before)
    if after is None:
        return Kept.FULL
    return difference(image_id, before, marked_edited(before, after)) or Kept.SAME


def put(rows: Sequence[Row], by: Any) -> None:
    """Write the `after` state of these pictures, whose rows are locked, and look up places for new coordinates. Call
    in a transaction."""
    write(rows, by)
    place_pictures([row.image_id for row in rows if row.after.get("latitude") is not None])
