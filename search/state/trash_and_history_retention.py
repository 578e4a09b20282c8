"""Retention: permanently delete what was in the trash long enough, and old history."""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Collection
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from search.concurrency.background_threads import keep_doing
from search.curation.admin_log import log_deletions
from search.curation.album_deletion import delete_old_albums
from search.ingestion.run_recording import forget_some_runs
from search.models import Image, Trashed
from search.models.advisory_locks import try_lock
from search.models.conflicts import locked_values
from search.models.sql_statements import execute
from search.objects.deletion import delete_images
from search.state.search_statistics import forget_some as forget_some_searches

TIDY_EACH = 3600.0
"""Seconds between two runs of a server."""
_AT_ONCE = 500
_EDITS_AT_ONCE = 10_000
_LOCK = 0x54524153
"""Advisory lock of the process that does it; others skip it."""


def expired() -> "QuerySet[Trashed]":
    """Return the pictures whose time in the trash is over."""
    return older_than(dt.timedelta(days=settings.TRASH_DAYS))


def older_than(age: dt.timedelta) -> "QuerySet[Trashed]":
    return Trashed.objects.filter(created__lte=timezone.now() - age)


def bytes_in(trashed: "QuerySet[Trashed]") -> int:
    """Return the total size of these pictures' files in bytes."""
    return int(trashed.aggregate(bytes=Sum("image__byte_size"))["bytes"] or 0)


def delete_for_good(trashed: "QuerySet[Trashed]", by: Any = None) -> int:
    """Delete these pictures, rows and objects, some hundred at a time; return how many.

    Pictures restored meanwhile stay. Raises the lock errors of `search.models.conflicts`.
    """
    keys = list(trashed.order_by("image").values_list("image", flat=True))
    return sum(_delete(keys[start : start + _AT_ONCE], by) for start in range(0, len(keys), _AT_ONCE))


@transaction.atomic
def _delete(keys: Collection[uuid.UUID], by: Any) -> int:
    locked_values(Image.objects.filter(pk__any_of=keys), "pk")
    left = list(Trashed.objects.filter(image__pk__any_of=keys).values_list("image", flat=True))
    log_deletions(left, by)
    delete_images(left)
    return len(left)


def tidy() -> None:
    """Delete expired trash, history and runs, a bounded number per transaction; skipped while another process is doing
    it."""
    for portion in (_delete_some_expired, delete_old_albums, _forget_some, forget_some_runs, forget_some_searches):
        while _alone(portion):
            pass


@transaction.atomic
def _alone(portion: Callable[[], bool]) -> bool:
    """Do a portion of the work unless another process is doing it; return whether there may be more."""
    return try_lock(_LOCK) and portion()


def _delete_some_expired() -> bool:
    keys = list(expired().order_by("image").values_list("image", flat=True)[:_AT_ONCE])
    return bool(keys) and _delete(keys, None) > 0


def forget_history() -> None:
    """Delete revisions that are too old to be undone, a bounded number of edits per transaction."""
    while _forget_some():
        pass


def _forget_some() -> bool:
    """Delete some edits, or revisions without edits; return whether there may be more. The revision that can restore
    an album is kept as long as the album."""
    until = timezone.now() - dt.timedelta(days=settings.HISTORY_DAYS)
    of_albums = timezone.now() - dt.timedelta(days=max(settings.HISTORY_DAYS, settings.TRASH_DAYS))
    deleted = execute(
        "DELETE FROM search_edit WHERE (revision_id, image_id) IN (SELECT revision_id, image_id"
        " FROM search_edit WHERE revision_id IN (SELECT id FROM search_revision WHERE created < %s) LIMIT %s)",
        [until, _EDITS_AT_ONCE],
    )
    if deleted == _EDITS_AT_ONCE:
        return True
    execute(
        "DELETE FROM search_revision WHERE created < %s AND (created < %s OR NOT given ? 'deleted')",
        [until, of_albums],
    )
    return False


def keep_tidy(every: float = TIDY_EACH) -> threading.Event:
    """Run it periodically in the background until the returned event is set."""
    return keep_doing(tidy, every, "trash", "Old trash and history could not be deleted")
