"""Example searches: queries that were measured to have a strong match in this collection, by language."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from search.models.text_fields import LineField

LONGEST_WORDS = 80


class ThingSet(models.Model):
    """When examples were last measured with a pair of models, and the state of the collection then (`Arrival`,
    `Change`).

    `calibrated` is the calibration that defined strong matches; None if there was none.
    """

    model = models.CharField(max_length=300)
    text_model = models.CharField(max_length=1000)
    calibrated = models.DateTimeField(null=True)
    arrived = models.BigIntegerField()
    changed = models.BigIntegerField()
    measured = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["model", "text_model"], name="things_of_each_pair")]

    def __str__(self) -> str:
        return self.model


class Thing(models.Model):
    """An example search in one language, best first by `position`, and its strong matches, the best to show first.

    `borne` is the title or tag that the words were taken from: it is shown only with pictures that still have it and
    that everybody may see. "" for words from no picture. Image ids may have changed since, or be gone.
    """

    of = models.ForeignKey(ThingSet, on_delete=models.CASCADE, related_name="things")
    language = models.CharField(max_length=10)
    position = models.PositiveSmallIntegerField()
    words = LineField(max_length=LONGEST_WORDS)
    borne = LineField(max_length=LONGEST_WORDS, blank=True, default="", db_default="")
    images = ArrayField(models.UUIDField())

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["of", "language", "position"], name="thing_at_each_position")
        ]

    def __str__(self) -> str:
        return self.words
