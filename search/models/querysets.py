"""Queries on images. They take vectors, never text; `distance` is cosine distance, 0 at best."""

import uuid
from typing import TYPE_CHECKING, Self

import numpy as np
from django.db import models
from django.db.models import Expression, F
from django.db.models.functions import Greatest, Least
from django.db.models.lookups import GreaterThan
from pgvector.django import CosineDistance

from search.imaging.wide_picture_windows import WIDE
from search.models.accepted_models import accepted_names
from search.models.hnsw import indexing

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from search.models.image import Image  # noqa: F401 - what the class below holds
    from search.models.vector_sets import VectorTable
    from search.models.vector_values import Vector

WIDE_OR_TALL = GreaterThan(Greatest("width", "height") * WIDE[1], Least("width", "height") * WIDE[0])
"""`search.imaging.is_wide` in SQL."""
WINDOWS_PENDING = models.Q(WIDE_OR_TALL, windows__isnull=True)


def is_joined(table: "VectorTable") -> bool:
    """Whether images' own rows may lack vectors of this set: for a while after a switch of models."""
    return accepted_names(table.model) != (table.model,)


class ImageQuerySet(models.QuerySet["Image"]):
    def shown(self) -> Self:
        """Those that everybody may see."""
        return self.filter(hidden=False)

    def kept(self) -> Self:
        """Those not in the trash: what curators may see."""
        return self.filter(trashed=None)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those that this user may see: hidden ones for curators, private ones for those entitled."""
        from search.models.albums import sees_all  # noqa: PLC0415 - the models need this module
        from search.models.privacy import Private  # noqa: PLC0415

        if sees_all(user):
            return self.kept()
        if not Private.any_for(user):
            return self.shown()
        return self.filter(models.Q(hidden=False) | models.Q(pk__in=Private.objects.seen_by(user.pk).values("pk")))

    def searchable(self, model: str) -> Self:
        """Those that a search with `model` may find: shown, with a vector of this model in its current set."""
        return self.shown().with_vectors_of(model)

    def with_vectors_of(self, model: str) -> Self:
        """Those with a vector of this model in its current set, including hidden ones."""
        return self.filter(embedding_model__in=accepted_names(model))

    def pending(self) -> Self:
        """Those whose vector is pending, including hidden ones."""
        return self.filter(embedding_model="")

    def with_pending_windows(self, model: str) -> Self:
        """Wide and tall ones with a vector of `model`, including hidden ones, whose windows are pending."""
        return self.filter(WINDOWS_PENDING, embedding_model__in=accepted_names(model))

    def without_windows(self, model: str) -> Self:
        """Those of them that were not tried: the others' files could not be read."""
        return self.with_pending_windows(model).filter(embedding_failure="")

    def newest(self) -> Self:
        return self.order_by("-created", "id")

    def with_vectors(self, table: "VectorTable | None") -> Self:
        """Those with a vector of the whole picture in this set, available to expressions as `vector`.

        It is read from the image's own row if that has it: in a full scan a join takes half as long again.
        """
        return self.joined_to(table) if table is None or is_joined(table) else self.with_own_vectors(table.model)

    def with_own_vectors(self, model: str) -> Self:
        """Those with a vector of exactly this model in their own rows, available to expressions as `vector`."""
        return self.filter(embedding_model=model).alias(vector=F("embedding"))

    def joined_to(self, table: "VectorTable | None", *, windows: bool = False) -> Self:
        """Those with a vector in the set's table, which has the index, as `vector`; with `windows`, once for each
        vector."""
        if table is None:
            return self.none().alias(vector=F("embedding"))
        conditions = {"vectors__set_id": table.id} | ({} if windows else {"vectors__window_index": 0})
        # An alias, or every filter that names the column would join the table once more.
        return self.filter(**conditions).alias(vector=F("vectors__embedding"))

    def vectors_in(self, table: "VectorTable | None") -> "dict[uuid.UUID, Vector]":
        """Return the vectors of whole pictures in this set, by image id; without those that have none."""
        found = self.with_vectors(table).annotate(found=F("vector")).values_list("pk", "found")
        return {image_id: np.asarray(vector, dtype=np.float32) for image_id, vector in found}

    def nearest_to(
        self, vector: "Vector", table: "VectorTable | None", *, by_index: bool = False, windows: bool = False
    ) -> Self:
        """Order by distance, nearest first, with `distance` to `vector`, a unit vector of the set's dimensions. By
        vectors of whole pictures; with `windows`, once for each vector of a picture.

        Only with `by_index` PostgreSQL may use the HNSW index, which is approximate.
        """
        rows = self.joined_to(table, windows=windows) if by_index or windows else self.with_vectors(table)
        if by_index and table is not None:
            return rows.by_distance(indexing.distance("vector", table.dimensions, vector))
        return rows.by_distance(CosineDistance("vector", vector))

    def by_distance(self, distance: Expression) -> Self:
        """Order by `distance`, an expression, nearest first, and annotate it."""
        # Sort on the distance itself: 1 - distance can't use the index.
        return self.annotate(distance=distance).order_by("distance")

    def for_lists(self) -> Self:
        """Without the columns that no list shows: a vector takes longer to parse than to find."""
        return self.defer("embedding", "description")

    def for_tiles(self, *more: str) -> Self:
        """Only the columns that tiles show, and suggested words are from; and `more`. A third of the time to read."""
        return self.only("id", "title", "tags", "hidden", "width", "height", "windows", "placeholder", *more)
