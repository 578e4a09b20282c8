"""Objects of deleted images: owed by a row, deleted after the commit, tried again until it succeeds.

A picture that comes back while its objects are about to be deleted keeps them: from before they are stored until its
row is there, an advisory lock of PostgreSQL on its id holds deletions off. What is owed stays written down until then,
and who lets go of the lock without a row having come deletes the objects. That it was deleted is remembered.
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

from search.concurrency.background import Background, keep_doing
from search.models import Image, OwedDeletion, Tombstone
from search.objects import storage

logger = logging.getLogger(__name__)

_AT_ONCE = 10_000
LOOK_AGAIN = 60.0
"""Seconds between two looks of a server for deletions that are owed."""


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

_are_owed: ContextVar[bool] = ContextVar("are_owed", default=False)
"""Whether it was written down for all images that are being deleted."""


# Before: the database deletes what is known of its pixels along with it.
@receiver(pre_delete, sender=Image, dispatch_uid="owe-deletion-of-objects")
def owe_deletion(instance: Image, **kwargs: Any) -> None:
    if not _are_owed.get():
        _owe_and_remember([instance.pk])


def delete_images(image_ids: Collection[uuid.UUID]) -> None:
    """Delete these images as each would be by itself, in a few statements for any number of them."""
    with transaction.atomic():
        _owe_and_remember(image_ids)
        token = _are_owed.set(True)
        try:
            Image.objects.filter(pk__any_of=image_ids).only("pk").delete()
        finally:
            _are_owed.reset(token)


def _owe_and_remember(image_ids: Collection[uuid.UUID]) -> None:
    owe(image_ids)
    # Whoever deletes a picture, and however, wants it gone: it doesn't come back by itself, nor what it was before.
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, [sorted(image_ids)])
    # Once for all that a transaction deletes: where the storage hangs, each time would wait for it anew.
    if not any(waiting[1] == _settling.soon for waiting in connection.run_on_commit):
        transaction.on_commit(_settling.soon)


def owe(image_ids: Collection[uuid.UUID]) -> None:
    """Write down that these pictures' objects are to be deleted, unless rows for them are written first."""
    rows = [OwedDeletion(pk=one) for one in sorted(image_ids)]
    OwedDeletion.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_AT_ONCE)


def settle_meanwhile() -> None:
    """Delete what is owed while others go on, once this transaction has ended."""
    transaction.on_commit(partial(_settling.soon, wait=False))


def settle_or_log(among: Collection[uuid.UUID] | None = None) -> None:
    """Delete what is owed, as `settle_deletions` does; what can't be deleted now is left for later."""
    try:
        settle_deletions(among)
    except storage.StorageUnavailable as error:
        # The rows stay: the next deletion, or `manage.py reconcile`, tries again.
        logger.error("Objects of deleted pictures are still there: %s", error)


_settling = Background(settle_or_log, "deletions")


def keep_settling(every: float = LOOK_AGAIN) -> threading.Event:
    """Settle, in the background until the event that is returned is set, what a storage did not let go of that was
    away for a while, whoever deleted it."""

    def work() -> None:
        if OwedDeletion.objects.exists():
            settle_or_log()

    failed = "Whether objects of deleted pictures are left could not be looked up"
    return keep_doing(work, every, "owed-deletions", failed)


def settle_deletions(among: Collection[uuid.UUID] | None = None) -> int:
    """Delete the objects that are owed to be deleted, all or `among` some; return of how many images.

    Any number of processes may do so at once: each takes rows that no other holds. Pictures that are just coming back
    are passed over; should they not arrive, who had them on the way settles them, or else the next deletion or
    `manage.py reconcile`. Raises StorageUnavailable.
    """
    settled = 0
    rows = OwedDeletion.objects.all() if among is None else OwedDeletion.objects.filter(pk__in=among)
    passed_over: list[uuid.UUID] = []
    while True:
        with transaction.atomic():
            owed = rows.select_for_update(skip_locked=True).exclude(pk__in=passed_over).order_by("created").first()
            if owed is None:
                return settled
            if not is_ours(owed.pk):
                passed_over.append(owed.pk)
                continue
            # Under the lock, after which no row comes without taking back what is owed.
            if not Image.objects.filter(pk=owed.pk).exists():
                storage.delete(storage.keys_of(owed.pk))
                settled += 1
            owed.delete()


def delete_orphan(image_id: uuid.UUID) -> bool:
    """Delete the objects of a picture that has no row, and return True, unless it has one or is about to.

    Raises StorageUnavailable.
    """
    with transaction.atomic():
        if not is_ours(image_id) or Image.objects.filter(pk=image_id).exists():
            return False
        storage.delete(storage.keys_of(image_id))
        return True


def remove_orphans(image_ids: Collection[uuid.UUID]) -> None:
    """Delete what was stored of pictures whose rows could not be written, or leave it to `manage.py reconcile`."""
    with suppress(Error, storage.StorageUnavailable):
        for image_id in image_ids:
            delete_orphan(image_id)


def hold_off(image_ids: Sequence[uuid.UUID]) -> None:
    """Hold off deletions of these pictures' objects until `let_go`, once for each time. Waits for one under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(lock) FROM unnest(%s::bigint[]) lock", [_locks(image_ids)])


def let_go(image_ids: Sequence[uuid.UUID]) -> None:
    """The rows of these pictures are there, or will never be: their objects may be deleted again."""
    # Where the connection has failed, the locks are gone with it.
    with suppress(Error), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_shared(lock) FROM unnest(%s::bigint[]) lock", [_locks(image_ids)])


def settle_what_was_held(image_ids: Collection[uuid.UUID]) -> None:
    """Delete what is owed of these pictures, on which this connection has let go of every lock: its own would not
    keep it from deleting. Who deleted them meanwhile has passed them over."""
    with suppress(Error):
        if image_ids and OwedDeletion.objects.filter(pk__in=image_ids).exists():
            transaction.on_commit(partial(settle_or_log, image_ids))


@contextmanager
def objects_held(image_ids: Sequence[uuid.UUID]) -> Iterator[None]:
    """Hold off deletions of these pictures' objects for the block. On one connection such blocks don't overlap."""
    hold_off(image_ids)
    try:
        yield
    finally:
        let_go(image_ids)
        settle_what_was_held(image_ids)


def stored_with_row(image_id: uuid.UUID, key: str, data: bytes, content_type: str) -> bool:
    """Store another object of a picture and return True, unless the picture has been deleted meanwhile.

    Raises StorageUnavailable.
    """
    with objects_held([image_id]):
        is_there = Image.objects.filter(pk=image_id).exists()
        if is_there:
            storage.put(key, data, content_type)
    return is_there


def deleted_before(image_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of these pictures that were deleted once, and have not been brought back on purpose."""
    return set(Tombstone.objects.filter(pk__in=image_ids).values_list("pk", flat=True))


def is_ours(image_id: uuid.UUID) -> bool:
    """Hold off those who would bring this picture back until the transaction ends; False where one is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", _locks([image_id]))
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)


def _locks(image_ids: Sequence[uuid.UUID]) -> list[int]:
    """The numbers by which these pictures are locked: the first 64 bits of their ids, signed."""
    return [int.from_bytes(image_id.bytes[:8], signed=True) for image_id in image_ids]
