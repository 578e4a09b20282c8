"""Deleted pictures: their tombstones, and their objects pending deletion."""

from django.db import models
from django.db.models.functions import Now


class Tombstone(models.Model):
    """A deleted picture: ingestion skips the same bytes wherever it meets them again.

    Only its id is kept, a hash of its bytes, and the hash of its pixels, by which a file with edited metadata is
    recognised.
    """

    image_id = models.UUIDField(primary_key=True)
    pixels = models.UUIDField(null=True)
    created = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.image_id)


class OwedDeletion(models.Model):
    """The objects of a deleted image, pending deletion from the storage.

    Written in the transaction that deletes the image, so that nothing is lost when the storage is down or the process
    is killed.
    """

    image_id = models.UUIDField(primary_key=True)
    created = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.image_id)
