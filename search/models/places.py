"""Places that pictures were taken at: few, whatever the number of pictures."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Place(models.Model):
    """A town, or a region or country where no town is near, as the table of towns has it (`search.places`).

    `region` and `town` are GeoNames' names, in Latin letters; "" where there is none. Names in Korean are "" where
    nobody knows. By the folded names a place is found when somebody types one. Of those who may see places alone.
    """

    country = models.CharField(max_length=2)
    region = models.CharField(max_length=200, blank=True, default="")
    town = models.CharField(max_length=200, blank=True, default="")
    korean_region = models.CharField(max_length=200, blank=True, default="")
    korean_town = models.CharField(max_length=200, blank=True, default="")
    region_names: Any = ArrayField(models.TextField(), default=list)
    town_names: Any = ArrayField(models.TextField(), default=list)

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=["country", "region", "town"], name="place_stands_once"),)

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.town, self.region, self.country)))
