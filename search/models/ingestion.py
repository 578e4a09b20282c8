"""What ingestion remembers between runs."""

import uuid
from collections.abc import Collection
from typing import ClassVar

from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models.functions import Now

from search.models.image import Image, content_id

MOST_ADDRESSES = 10
"""Places of one image that people are told."""


def origin_id(address: str, version: str) -> uuid.UUID:
    """Return the key of a picture's origin: the same place with the same version is taken for the same bytes."""
    return content_id(f"{address}\0{version}".encode("utf-8", "surrogateescape"))


class Origin(models.Model):
    """Where an image came from: a run that meets it again, unchanged, need not read or download it.

    It outlives the image, which may be deleted and come back; whoever asks looks whether the image is there.
    """

    id = models.UUIDField(primary_key=True)
    address = models.TextField()
    image_id = models.UUIDField()
    seen = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["image_id"], name="origin_image"),
            # Whatever its length: a path may be longer than what a B-tree takes.
            HashIndex(fields=["address"], name="origin_address"),
        ]

    def __str__(self) -> str:
        return self.address

    @classmethod
    def addresses_of(cls, image_id: uuid.UUID) -> list[str]:
        """Return where an image was met, the last place first; of one that lay in many, some."""
        origins = cls.objects.filter(image_id=image_id).order_by("-seen").values_list("address", flat=True)
        return list(dict.fromkeys(origins[:MOST_ADDRESSES]))

    @classmethod
    def names_of(cls, image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return what the files are called in which these images were met, the last one of each; by id."""
        rows = cls.objects.filter(image_id__in=image_ids).order_by("image_id", "-seen").distinct("image_id")
        return {
            image_id: address.rstrip("/").rpartition("/")[2]
            for image_id, address in rows.values_list("image_id", "address")
        }


class Tombstone(models.Model):
    """A picture that was deleted, which ingestion passes over wherever it meets the same bytes again.

    Nothing of the picture is kept but its id, which is made from its bytes and can't be turned back into them, and the
    hash of its pixels, by which it is known when its file was only rated or tagged since.
    """

    image_id = models.UUIDField(primary_key=True)
    pixels = models.UUIDField(null=True)
    created = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.image_id)


class FormerId(models.Model):
    """An id that an image had before its file changed: addresses with it lead to what the image is called now.

    The database changes these rows with their image, and deletes them with it.
    """

    former_id = models.UUIDField(primary_key=True)
    image = models.ForeignKey(Image, on_delete=models.DO_NOTHING, db_constraint=False, related_name="former_ids")
    created = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.former_id}: {self.image_id}"

    @classmethod
    def present(cls, image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
        """Return of those of these ids that images had before what they are called now."""
        return dict(cls.objects.filter(pk__in=image_ids).values_list("pk", "image_id")) if image_ids else {}

    @classmethod
    def first(cls, image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
        """Return of those of these images that had others before the id that each had first."""
        former = cls.objects.filter(image__in=image_ids).order_by("-created", "pk")
        return {image_id: former_id for former_id, image_id in former.values_list("pk", "image_id")}


class ProposedRemoval(models.Model):
    """What `ingest --prune` has shown as gone, by a digest of the ids: asked for the same again, it removes them."""

    digest = models.UUIDField(primary_key=True)
    created = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.digest)
