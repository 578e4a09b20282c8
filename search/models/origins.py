"""What ingestion remembers between runs: origins and former ids."""

import uuid
from collections.abc import Collection
from typing import Any, ClassVar

from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models.functions import Now

from search.models.image import Image, content_id

MOST_ADDRESSES = 10
"""Places of one image that are displayed."""


def origin_id(address: str, version: str) -> uuid.UUID:
    """Return the key of an origin: the same address with the same version is assumed to have the same bytes."""
    return content_id(f"{address}\0{version}".encode("utf-8", "surrogateescape"))


class Origin(models.Model):
    """Where an image came from: a run that meets it again, unchanged, need not read or download it.

    It outlives the image, which may be deleted and return; callers check whether the image exists.
    """

    id = models.UUIDField(primary_key=True)
    address = models.TextField()
    image_id = models.UUIDField()
    seen = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["image_id"], name="origin_image"),
            # Of any length: a path may be longer than a B-tree allows.
            HashIndex(fields=["address"], name="origin_address"),
        ]

    def __str__(self) -> str:
        return self.address

    @classmethod
    def addresses_of(cls, image_id: uuid.UUID) -> list[str]:
        """Return where an image was met, latest first; at most MOST_ADDRESSES."""
        origins = cls.objects.filter(image_id=image_id).order_by("-seen").values_list("address", flat=True)
        return list(dict.fromkeys(origins[:MOST_ADDRESSES]))

    @classmethod
    def latest_address(cls) -> models.QuerySet[Any, str]:
        """The address at which an image was last found, as a subquery of images."""
        found = cls.objects.filter(image_id=models.OuterRef("pk")).order_by("-seen")
        return found.values_list("address", flat=True)[:1]


class FormerId(models.Model):
    """A former id of an image whose file changed: URLs with it redirect to the current one.

    The database updates these rows with their image, and deletes them with it.
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
        """Return the current ids for those of these ids that are former ones."""
        return dict(cls.objects.filter(pk__in=image_ids).values_list("pk", "image_id")) if image_ids else {}

    @classmethod
    def first(cls, image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
        """Return the first of the former ids, for those of these images that have any."""
        former = cls.objects.filter(image__in=image_ids).order_by("-created", "pk")
        return {image_id: former_id for former_id, image_id in former.values_list("pk", "image_id")}


class ProposedRemoval(models.Model):
    """What `ingest --prune` has listed as gone, by a digest of the ids: asked for the same again, it removes them."""

    digest = models.UUIDField(primary_key=True)
    created = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.digest)
