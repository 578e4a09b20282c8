"""Which colours are in a picture, and how much of each."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from search.imaging.swatches import COLOUR_NAMES, Swatch
from search.models.image import Image


class Palette(models.Model):
    """The colours of one picture: what it is found by, and what is shown of it.

    A table of its own: it is written without touching the rows that have vectors. Each image has a row, since filters
    ask for it: the database makes one of the dominant colour at the end of a transaction in which nobody has
    (migration 0046). It deletes these rows with their image, and changes them with its id.
    """

    UNREADABLE = -1

    image = models.OneToOneField(
        Image, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="palette"
    )
    # Of COLOUR_NAMES: "red" where there is some, "mostly-red" besides where it is most of the picture.
    names = ArrayField(models.CharField(max_length=13), default=list, db_default=[], editable=False)
    # Name, "#rrggbb" and percent of each, the largest first; none where nobody has looked.
    swatches = models.JSONField(default=list, db_default=[], editable=False)
    # What looked at it, see search.imaging.swatches.READER; 0: nobody yet, UNREADABLE: its thumbnail couldn't be read.
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
