"""The map: where each picture lies, near to those that are like it, and the groups that they form."""

from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from search.models.image import Image


class MapLayout(models.Model):
    """One drawing of the map, by the vectors of a model. One is current, and shown; another may be being written.

    Pictures with numbers of arrival (`Arrival.searchable`) up to `placed_up_to` have been placed; `revision` grows
    with whatever is added.
    """

    model = models.CharField(max_length=300)
    is_current = models.BooleanField(default=False, db_default=False)
    placed_up_to = models.BigIntegerField(default=0, db_default=0)
    revision = models.IntegerField(default=0, db_default=0)
    # How many it was computed from: what comes later is only put beside what is near to it.
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
    """A group of pictures that lie close together, around a point. Its number stays that of the group of the layout
    before that most of its pictures were in, so that addresses go on to lead to it."""

    pk = models.CompositePrimaryKey("layout_id", "number")
    layout = models.ForeignKey(MapLayout, on_delete=models.CASCADE, related_name="groups")
    number = models.PositiveSmallIntegerField()
    x = models.FloatField()
    y = models.FloatField()
    # What it is called, in English or as its tags are, and in Korean; "" for the same, or for what nobody has named.
    name = models.CharField(max_length=200, blank=True, default="")
    korean_name = models.CharField(max_length=200, blank=True, default="")
    # Those that lie nearest to its middle. Ids may have changed since.
    samples = ArrayField(models.UUIDField(), default=list)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name or str(self.number)


class MapPosition(models.Model):
    """Where a picture lies in a layout: `x` to the right and `y` upwards, both from -1 to 1.

    The database deletes these rows with their picture, and changes them with its id.
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
