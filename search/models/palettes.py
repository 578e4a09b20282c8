"""The colours of pictures, and their shares."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from search.imaging.colour_extraction import COLOUR_NAMES, Swatch
from search.models.references import image_key


class Palette(models.Model):
    """The colours of one picture: for filters, and for display.

    A separate table, so that writing it doesn't touch the rows with vectors. Each image has a row, since filters join
    it: the database creates one from the dominant colour at the end of a transaction that has not (migration 0046).
    """

    UNREADABLE = -1

    image = image_key("palette")
    # Values of COLOUR_NAMES: "red" where there is some, also "mostly-red" where it is most of the picture.
    names = ArrayField(models.CharField(max_length=13), default=list, db_default=[], editable=False)
    # Name, "#rrggbb" and percent of each, largest first; empty if not analysed yet.
    swatches = models.JSONField(default=list, db_default=[], editable=False)
    # Version of the analysis (search.imaging.colour_extraction.READER); 0: pending, UNREADABLE: its thumbnail
    # couldn't be read.
    reader = models.SmallIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            GinIndex(fields=["names"], name="palette_names"),
            models.Index(fields=["image"], condition=models.Q(reader=0), name="palette_not_looked_at"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(names__contained_by=list(COLOUR_NAMES)), name="palette_names_are_known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.image_id)

    @property
    def shown(self) -> list[Swatch]:
        return [Swatch(*one) for one in self.swatches]
