"""Objects of deleted images: owed by a row, deleted after the commit, tried again until it succeeds."""

import logging
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from search import storage
from search.models import Image, OwedDeletion

logger = logging.getLogger(__name__)


@receiver(post_delete, sender=Image, dispatch_uid="owe-deletion-of-objects")
def owe_deletion(instance: Image, **kwargs: Any) -> None:
    OwedDeletion.objects.get_or_create(pk=instance.pk)
    transaction.on_commit(_settle_or_log)


def _settle_or_log() -> None:
    try:
        settle_deletions()
    except storage.StorageUnavailable as error:
        # The rows stay: the next deletion, or `manage.py reconcile`, tries again.
        logger.error("Objects of deleted pictures are still there: %s", error)


def settle_deletions() -> int:
    """Delete the objects that are owed to be deleted; return of how many images. Raises StorageUnavailable.

    Any number of processes may do so at once: each takes rows that no other holds.
    """
    settled = 0
    while True:
        with transaction.atomic():
            owed = OwedDeletion.objects.select_for_update(skip_locked=True).order_by("created").first()
            if owed is None:
                return settled
            storage.delete(storage.keys_of(owed.pk))
            owed.delete()
            settled += 1
