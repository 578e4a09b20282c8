"""What can be asked of the images. These take vectors, never text; `distance` is cosine distance, 0 at best."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models.functions import Greatest, Least
from django.db.models.lookups import GreaterThan
from pgvector.django import CosineDistance

from search.imaging.windows import WIDE

if TYPE_CHECKING:
    from search.models.image import Image  # noqa: F401 - what the class below holds
    from search.vectors import Vector

WIDE_OR_TALL = GreaterThan(Greatest("width", "height") * WIDE[1], Least("width", "height") * WIDE[0])
"""What `search.imaging.is_wide` says, for the database."""
OWED_WINDOWS = models.Q(WIDE_OR_TALL, windows__isnull=True)


class ImageQuerySet(models.QuerySet["Image"]):
    def shown(self) -> Self:
        """Those that everybody may see."""
        return self.filter(hidden=False)

    def searchable(self, model: str) -> Self:
        """Those that a search with `model` may find: shown, and with a vector that this model made."""
        return self.shown().filter(embedding_model=model)

    def pending(self) -> Self:
        """Those that wait for their vector, hidden ones included."""
        return self.filter(embedding_model="")

    def owed_windows(self, model: str) -> Self:
        """Wide and tall ones with a vector of `model`, hidden ones included, whose windows nobody has looked for."""
        return self.filter(OWED_WINDOWS, embedding_model=model)

    def newest(self) -> Self:
        return self.order_by("-created", "id")

    def nearest_to(self, vector: "Vector") -> Self:
        """Nearest first, each with its `distance` to `vector`, a unit vector of shape (dimensions,)."""
        return self.by_distance(CosineDistance("embedding", vector))

    def by_distance(self, distance: CosineDistance) -> Self:
        """Nearest first, each with its `distance`, an expression of one row."""
        # Sort on the distance itself: 1 - distance can't use the index.
        return self.annotate(distance=distance).order_by("distance")

    def for_lists(self) -> Self:
        """Without the columns that no list of pictures shows: a vector takes longer to parse than to find."""
        return self.defer("embedding", "description")
