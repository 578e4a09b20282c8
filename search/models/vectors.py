"""The table that is searched: one row per vector, without anything that people edit.

`Image.embedding` is the authoritative vector of a whole picture: triggers copy it here (migration 0016). Each set of
vectors, those of one model, is a partition with its own dimensions and its own HNSW index; a large set is partitioned
again, by a hash of the image's id.
"""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from pgvector.django import HalfVectorField

from search.models.image import Image
from search.models.vector_values import MOST_DIMENSIONS


class VectorSet(models.Model):
    """The vectors of one model, in a table of their own. Created by the database's function `make_vector_set`.

    One set of each model is current, and searched if the model is active. Another one may be under construction, with
    more partitions. A set that `is_kept` keeps its rows when images get vectors of another model.
    """

    id = models.SmallAutoField(primary_key=True)
    model = models.CharField(max_length=300)
    dimensions = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DIMENSIONS)]
    )
    partitions = models.PositiveSmallIntegerField(default=1, db_default=1)
    is_current = models.BooleanField(default=True, db_default=True)
    is_kept = models.BooleanField(default=False, db_default=False)
    created = models.DateTimeField(db_default=Now())

    class Meta:
        # Rows represent tables: what empties tables, such as Django's `flush`, must leave these alone.
        managed = False
        db_table = "search_vectorset"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.model} ({self.dimensions})"


class ImageVector(models.Model):
    """One vector of an image: of the whole picture (`window_index` 0), or of a window of a wide or tall one, from 1 on
    along its long side."""

    pk = models.CompositePrimaryKey("image_id", "set_id", "window_index")
    # Without Django's constraints: triggers delete these rows with their images, and sets are dropped with their
    # tables.
    image = models.ForeignKey(Image, on_delete=models.DO_NOTHING, db_constraint=False, related_name="vectors")
    set = models.ForeignKey(VectorSet, on_delete=models.DO_NOTHING, db_constraint=False, related_name="vectors")
    window_index = models.PositiveSmallIntegerField(default=0, db_default=0)
    embedding = HalfVectorField()

    class Meta:
        managed = False
        db_table = "search_imagevector"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.image_id}, {self.set_id}, {self.window_index}"
