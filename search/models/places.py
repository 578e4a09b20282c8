"""Places where pictures were taken: few, whatever the number of pictures."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Place(models.Model):
    """A town, or a region or country if no town is near, from the table of towns (`search.places`).

    `region` and `town` are GeoNames' names in Latin letters; "" if there is none. Korean names are "" if unknown. The
    folded names serve searching. Visible only to users who may see places.
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
