"""Deletion of images and their objects: recorded as pending in the image's transaction, done after its commit, retried
until it succeeds.

A picture that is added again while its objects are pending deletion keeps them: from before they are stored until its
row exists, a shared PostgreSQL advisory lock on its id blocks deletions. The pending deletion stays recorded until
then; if the lock is released without a row, the releasing process deletes the objects. Tombstones record what was
deleted.
"""

import logging
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import Error, connection, transaction
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from search.concurrency.background_threads import Background, keep_doing
from search.models import Image, OwedDeletion, Tombstone
from search.models.sql_statements import execute, fetch_value
from search.objects import storage

logger = logging.getLogger(__name__)

_AT_ONCE = 10_000
LOOK_AGAIN = 60.0
"""Seconds between a server's checks for pending deletions."""


_REMEMBER = """
WITH gone AS (
    SELECT id, coalesce(former.former_id, id) AS image_id FROM unnest(%s::uuid[]) AS given (id)
    CROSS JOIN LATERAL (
        SELECT NULL::uuid UNION ALL SELECT former_id FROM search_formerid AS known WHERE known.image_id = given.id
        AND NOT EXISTS (SELECT FROM search_image WHERE search_image.id = known.former_id)
    ) AS former (former_id)
)
INSERT INTO search_tombstone (image_id, pixels)
SELECT gone.image_id, capture.pixels FROM gone LEFT JOIN search_capture AS capture ON capture.image_id = gone.id
ORDER BY gone.image_id ON CONFLICT (image_id) DO NOTHING
"""

_is_recorded: ContextVar[bool] = ContextVar("is_recorded", default=False)
"""Whether the deletion is already recorded for all images that are being deleted."""


# Before the deletion, which removes the hash of the pixels too.
@receiver(pre_delete, sender=Image, dispatch_uid="mark-objects-for-deletion")
def mark_deleted_image(instance: Image, **kwargs: Any) -> None:
    if not _is_recorded.get():
        _mark_and_remember([instance.pk])


def delete_images(image_ids: Collection[uuid.UUID]) -> None:
    """Delete these images and record their objects as pending deletion, in a few statements for any number."""
    with transaction.atomic():
        _mark_and_remember(image_ids)
        token = _is_recorded.set(True)
        try:
            Image.objects.filter(pk__any_of=image_ids).only("pk").delete()
        finally:
            _is_recorded.reset(token)


def _mark_and_remember(image_ids: Collection[uuid.UUID]) -> None:
    mark_for_deletion(image_ids)
    # A deleted picture must not return by itself, whoever deleted it, and neither must its former versions.
    execute(_REMEMBER, [sorted(image_ids)])
    # Once per transaction: if the storage hangs, each call would wait for it.
    if not any(waiting[1] == _deleting.soon for waiting in connection.run_on_commit):
        transaction.on_commit(_deleting.soon)


def mark_for_deletion(image_ids: Collection[uuid.UUID]) -> None:
    """Record that these pictures' objects are to be deleted, unless rows for them are written first."""
    rows = [OwedDeletion(pk=one) for one in sorted(image_ids)]
    OwedDeletion.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_AT_ONCE)


def delete_pending_in_background() -> None:
    """Delete pending objects in the background, after this transaction."""
    transaction.on_commit(partial(_deleting.soon, wait=False))


def delete_pending_or_log(among: Collection[uuid.UUID] | None = None) -> None:
    """Delete pending objects as `delete_pending` does, and log a failure: they are retried later."""
    try:
        delete_pending(among)
    except storage.StorageUnavailable as error:
        # The rows stay: the next deletion, or `manage.py reconcile`, retries.
        logger.error("Objects of deleted pictures could not be deleted yet: %s", error)


_deleting = Background(delete_pending_or_log, "deletions")


def keep_deleting_pending(every: float = LOOK_AGAIN) -> threading.Event:
    """Delete pending objects periodically in the background, until the returned event is set: those of any process
    that were left while the storage was not available."""

    def work() -> None:
        if OwedDeletion.objects.exists():
            delete_pending_or_log()

    failed = "Pending deletions of objects could not be checked"
    return keep_doing(work, every, "pending-deletions", failed)


def delete_pending(among: Collection[uuid.UUID] | None = None) -> int:
    """Delete objects pending deletion, all or those of `among`; return the number of images.

    Safe to run concurrently: each process takes rows that no other one has locked. Pictures that are being added again
    are skipped; if their rows don't arrive, the process that was adding them deletes the objects, or the next
    deletion, or `manage.py reconcile`. Raises StorageUnavailable.
    """
    deleted = 0
    rows = OwedDeletion.objects.all() if among is None else OwedDeletion.objects.filter(pk__in=among)
    skipped: list[uuid.UUID] = []
    while True:
        with transaction.atomic():
            pending = rows.select_for_update(skip_locked=True).exclude(pk__in=skipped).order_by("created").first()
            if pending is None:
                return deleted
            if not try_to_lock(pending.pk):
                skipped.append(pending.pk)
                continue
            # Under the lock, so that no row can come without withdrawing the pending deletion.
            if not Image.objects.filter(pk=pending.pk).exists():
                storage.delete(storage.keys_of(pending.pk))
                deleted += 1
            pending.delete()


def delete_orphan(image_id: uuid.UUID) -> bool:
    """Delete the objects of a picture without a row; return False if it has a row, or is being added.

    Raises StorageUnavailable.
    """
    with transaction.atomic():
        if not try_to_lock(image_id) or Image.objects.filter(pk=image_id).exists():
            return False
        storage.delete(storage.keys_of(image_id))
        return True


def remove_orphans(image_ids: Collection[uuid.UUID]) -> None:
    """Delete stored objects of pictures whose rows could not be written; on failure leave them to `manage.py
    reconcile`."""
    with suppress(Error, storage.StorageUnavailable):
        for image_id in image_ids:
            delete_orphan(image_id)


def block_deletions(image_ids: Sequence[uuid.UUID]) -> None:
    """Block deletions of these pictures' objects until `unblock_deletions`, which must be called as often.

    Waits for a deletion in progress.
    """
    execute("SELECT pg_advisory_lock_shared(lock) FROM unnest(%s::bigint[]) lock", [_locks(image_ids)])


def unblock_deletions(image_ids: Sequence[uuid.UUID]) -> None:
    """Release the locks of `block_deletions`: the rows of these pictures exist, or will never exist."""
    # If the connection has failed, its locks are released.
    with suppress(Error):
        execute("SELECT pg_advisory_unlock_shared(lock) FROM unnest(%s::bigint[]) lock", [_locks(image_ids)])


def delete_pending_of(image_ids: Collection[uuid.UUID]) -> None:
    """Delete pending objects of these pictures, after this connection has released its locks: others have skipped them
    meanwhile."""
    with suppress(Error):
        if image_ids and OwedDeletion.objects.filter(pk__in=image_ids).exists():
            transaction.on_commit(partial(delete_pending_or_log, image_ids))


@contextmanager
def deletions_blocked(image_ids: Sequence[uuid.UUID]) -> Iterator[None]:
    """Block deletions of these pictures' objects within the context. Such contexts must not overlap on one
    connection."""
    block_deletions(image_ids)
    try:
        yield
    finally:
        unblock_deletions(image_ids)
        delete_pending_of(image_ids)


def stored_with_row(image_id: uuid.UUID, key: str, data: bytes, content_type: str) -> bool:
    """Store another object of a picture and return True, unless the picture was deleted meanwhile.

    Raises StorageUnavailable.
    """
    with deletions_blocked([image_id]):
        is_there = Image.objects.filter(pk=image_id).exists()
        if is_there:
            storage.put(key, data, content_type)
    return is_there


def deleted_before(image_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of these pictures that were deleted once, and not deliberately added again."""
    return set(Tombstone.objects.filter(pk__in=image_ids).values_list("pk", flat=True))


def try_to_lock(image_id: uuid.UUID) -> bool:
    """Try to lock a picture against being added again, until the transaction ends; return False if it is being
    added."""
    is_locked = fetch_value("SELECT pg_try_advisory_xact_lock(%s)", _locks([image_id]))
    return bool(is_locked)


def _locks(image_ids: Sequence[uuid.UUID]) -> list[int]:
    """Return the lock numbers of these pictures: the first 64 bits of their ids, signed."""
    return [int.from_bytes(image_id.bytes[:8], signed=True) for image_id in image_ids]
