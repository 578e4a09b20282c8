"""Objects of deleted images: owed by a row, deleted after the commit, tried again until it succeeds.

A picture that comes back while its objects are about to be deleted keeps them: from before they are stored until its
row is there, an advisory lock of PostgreSQL on its id holds deletions off.
"""

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from search import storage
from search.ingestion.background import Background
from search.models import Image, OwedDeletion

logger = logging.getLogger(__name__)


@receiver(post_delete, sender=Image, dispatch_uid="owe-deletion-of-objects")
def owe_deletion(instance: Image, **kwargs: Any) -> None:
    OwedDeletion.objects.get_or_create(pk=instance.pk)
    # Once for all that a transaction deletes: where the storage hangs, each time would wait for it anew.
    if not any(waiting[1] == _settling.soon for waiting in connection.run_on_commit):
        transaction.on_commit(_settling.soon)


def _settle_or_log() -> None:
    try:
        settle_deletions()
    except storage.StorageUnavailable as error:
        # The rows stay: the next deletion, or `manage.py reconcile`, tries again.
        logger.error("Objects of deleted pictures are still there: %s", error)


_settling = Background(_settle_or_log, "deletions")


def settle_deletions() -> int:
    """Delete the objects that are owed to be deleted; return of how many images. Raises StorageUnavailable.

    Any number of processes may do so at once: each takes rows that no other holds. Pictures that are just coming back
    are passed over; should they not arrive, the next deletion or `manage.py reconcile` settles them.
    """
    settled = 0
    passed_over: list[uuid.UUID] = []
    while True:
        with transaction.atomic():
            owed = (
                OwedDeletion.objects.select_for_update(skip_locked=True)
                .exclude(pk__in=passed_over)
                .order_by("created")
                .first()
            )
            if owed is None:
                return settled
            if not _is_ours(owed.pk):
                passed_over.append(owed.pk)
                continue
            storage.delete(storage.keys_of(owed.pk))
            owed.delete()
            settled += 1


def delete_orphan(image_id: uuid.UUID) -> bool:
    """Delete the objects of a picture that has no row, and return True, unless it has one or is about to.

    Raises StorageUnavailable.
    """
    with transaction.atomic():
        if not _is_ours(image_id) or Image.objects.filter(pk=image_id).exists():
            return False
        storage.delete(storage.keys_of(image_id))
        return True


def hold_off(image_ids: Sequence[uuid.UUID]) -> None:
    """Hold off deletions of these pictures' objects until `let_go`, once for each time. Waits for one under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(lock) FROM unnest(%s::bigint[]) lock", [_locks(image_ids)])


def call_off(image_ids: Sequence[uuid.UUID]) -> None:
    """Have these pictures keep their objects, which are about to be stored, though their deletion is owed."""
    OwedDeletion.objects.filter(pk__in=image_ids).delete()


def let_go(image_ids: Sequence[uuid.UUID]) -> None:
    """The rows of these pictures are there, or will never be: their objects may be deleted again."""
    # Where the connection has failed, the locks are gone with it.
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_shared(lock) FROM unnest(%s::bigint[]) lock", [_locks(image_ids)])


@contextmanager
def objects_held(image_ids: Sequence[uuid.UUID]) -> Iterator[None]:
    """Hold off deletions of these pictures' objects for the block."""
    hold_off(image_ids)
    try:
        yield
    finally:
        let_go(image_ids)


def _is_ours(image_id: uuid.UUID) -> bool:
    """Hold off those who would bring this picture back until the transaction ends; False where one is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", _locks([image_id]))
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)


def _locks(image_ids: Sequence[uuid.UUID]) -> list[int]:
    """The numbers by which these pictures are locked: the first 64 bits of their ids, signed."""
    return [int.from_bytes(image_id.bytes[:8], signed=True) for image_id in image_ids]
