"""What can be asked of the images. These take vectors, never text; `distance` is cosine distance, 0 at best."""

import uuid
from typing import TYPE_CHECKING, Self

import numpy as np
from django.db import models
from django.db.models import Expression, F
from django.db.models.functions import Greatest, Least
from django.db.models.lookups import GreaterThan
from pgvector.django import CosineDistance

from search.imaging.windows import WIDE
from search.models.accepted import accepted_names
from search.models.hnsw import indexing

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from search.models.image import Image  # noqa: F401 - what the class below holds
    from search.models.vector_sets import VectorTable
    from search.models.vector_values import Vector

WIDE_OR_TALL = GreaterThan(Greatest("width", "height") * WIDE[1], Least("width", "height") * WIDE[0])
"""What `search.imaging.is_wide` says, for the database."""
OWED_WINDOWS = models.Q(WIDE_OR_TALL, windows__isnull=True)


def is_joined(table: "VectorTable") -> bool:
    """Whether vectors of this set may be missing in the images' own rows: after a switch of models, for a while."""
    return accepted_names(table.model) != (table.model,)


class ImageQuerySet(models.QuerySet["Image"]):
    def shown(self) -> Self:
        """Those that everybody may see."""
        return self.filter(hidden=False)

    def kept(self) -> Self:
        """Those that are not in the trash: what curators may see."""
        return self.filter(trashed=None)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those that this person may see: hidden ones for curators, private ones for those they are for."""
        from search.models.albums import sees_all  # noqa: PLC0415 - the models need this module
        from search.models.privacy import Private  # noqa: PLC0415

        if sees_all(user):
            return self.kept()
        if not Private.any_for(user):
            return self.shown()
        return self.filter(models.Q(hidden=False) | models.Q(pk__in=Private.objects.seen_by(user.pk).values("pk")))

    def searchable(self, model: str) -> Self:
        """Those that a search with `model` may find: shown, and with a vector of this model in its current set."""
        return self.shown().with_vectors_of(model)

    def with_vectors_of(self, model: str) -> Self:
        """Those with a vector of this model in its current set, hidden ones included."""
        return self.filter(embedding_model__in=accepted_names(model))

    def pending(self) -> Self:
        """Those that wait for their vector, hidden ones included."""
        return self.filter(embedding_model="")

    def owed_windows(self, model: str) -> Self:
        """Wide and tall ones with a vector of `model`, hidden ones included, whose windows nobody has looked for."""
        return self.filter(OWED_WINDOWS, embedding_model__in=accepted_names(model))

    def without_windows(self, model: str) -> Self:
        """Those of them that nobody has tried: the others' files could not be read."""
        return self.owed_windows(model).filter(embedding_failure="")

    def newest(self) -> Self:
        return self.order_by("-created", "id")

    def with_vectors(self, table: "VectorTable | None") -> Self:
        """Those with a vector of the whole picture in this set, which expressions may name `vector`.

        It is read from the image's own row, if that has it: where rows are measured a join takes half as long again.
        """
        return self.joined_to(table) if table is None or is_joined(table) else self.with_own_vectors(table.model)

    def with_own_vectors(self, model: str) -> Self:
        """Those with a vector of this very model, which expressions may name `vector`, in their own rows."""
        return self.filter(embedding_model=model).alias(vector=F("embedding"))

    def joined_to(self, table: "VectorTable | None", *, windows: bool = False) -> Self:
        """The same from the set itself, whose index can be walked; with `windows` each once for each vector."""
        if table is None:
            return self.none().alias(vector=F("embedding"))
        conditions = {"vectors__set_id": table.id} | ({} if windows else {"vectors__window_index": 0})
        # An alias, or every filter that names the column would join the table once more.
        return self.filter(**conditions).alias(vector=F("vectors__embedding"))

    def vectors_in(self, table: "VectorTable | None") -> "dict[uuid.UUID, Vector]":
        """Return the vectors of the whole pictures in this set by the ids of those that have one."""
        found = self.with_vectors(table).annotate(found=F("vector")).values_list("pk", "found")
        return {image_id: np.asarray(vector, dtype=np.float32) for image_id, vector in found}

    def nearest_to(
        self, vector: "Vector", table: "VectorTable | None", *, walked: bool = False, windows: bool = False
    ) -> Self:
        """Nearest first, by the vectors of whole pictures in this set, each with its `distance` to `vector`, a unit
        vector of as many dimensions. With `windows` each comes once for each of its vectors.

        Only with `walked` PostgreSQL may go along the index, which does not always find all.
        """
        rows = self.joined_to(table, windows=windows) if walked or windows else self.with_vectors(table)
        if walked and table is not None:
            return rows.by_distance(indexing.distance("vector", table.dimensions, vector))
        return rows.by_distance(CosineDistance("vector", vector))

    def by_distance(self, distance: Expression) -> Self:
        """Nearest first, each with its `distance`, an expression of one row."""
        # Sort on the distance itself: 1 - distance can't use the index.
        return self.annotate(distance=distance).order_by("distance")

    def for_lists(self) -> Self:
        """Without the columns that no list of pictures shows: a vector takes longer to parse than to find."""
        return self.defer("embedding", "description")
