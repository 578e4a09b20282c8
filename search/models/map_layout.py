"""The map: positions of pictures, near those that are similar, and the groups that they form."""

from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from search.models.image import Image


class MapLayout(models.Model):
    """One layout of the map, from the vectors of a model. One is current, and shown; another may be in preparation.

    Pictures with arrival numbers (`Arrival.searchable`) up to `placed_up_to` have been placed; `revision` increases
    with each addition.
    """

    model = models.CharField(max_length=300)
    is_current = models.BooleanField(default=False, db_default=False)
    placed_up_to = models.BigIntegerField(default=0, db_default=0)
    revision = models.IntegerField(default=0, db_default=0)
    # Number of pictures it was computed from: later ones are only placed beside similar ones.
    laid_out = models.IntegerField(default=0, db_default=0)
    created = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint("is_current", condition=models.Q(is_current=True), name="one_map_is_current")
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def current(cls) -> Self | None:
        return cls.objects.filter(is_current=True).first()


class MapGroup(models.Model):
    """A group of nearby pictures, around a point. Its number is that of the group in the previous layout with most of
    its pictures, so that URLs stay valid."""

    pk = models.CompositePrimaryKey("layout_id", "number")
    layout = models.ForeignKey(MapLayout, on_delete=models.CASCADE, related_name="groups")
    number = models.PositiveSmallIntegerField()
    x = models.FloatField()
    y = models.FloatField()
    # Its name in English or from its tags, and in Korean; "" for the same, or for no name.
    name = models.CharField(max_length=200, blank=True, default="")
    korean_name = models.CharField(max_length=200, blank=True, default="")
    # Those nearest to its centre. Ids may have changed since.
    samples = ArrayField(models.UUIDField(), default=list)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name or str(self.number)


class MapPosition(models.Model):
    """The position of a picture in a layout: `x` to the right and `y` upwards, both from -1 to 1.

    The database deletes these rows with their picture, and updates them when its id changes.
    """

    pk = models.CompositePrimaryKey("layout_id", "image_id")
    layout = models.ForeignKey(MapLayout, on_delete=models.CASCADE, db_index=False, related_name="positions")
    image = models.ForeignKey(Image, on_delete=models.DO_NOTHING, db_constraint=False, related_name="map_positions")
    x = models.FloatField()
    y = models.FloatField()
    number = models.PositiveSmallIntegerField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["layout", "number"], name="map_position_by_group")]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.x:.3f}, {self.y:.3f}"
