"""Calibration: what unrelated pictures score with a model in this collection, measured now and then, and read by each
search."""

from typing import ClassVar

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from search.models.vector_values import MOST_DIMENSIONS, Vectors


class Calibration(models.Model):
    """The latest calibration of a pair of models; a new one replaces it. All levels are cosine similarities."""

    model = models.CharField(_("model"), max_length=300)
    text_model = models.CharField(_("text model"), max_length=1000)
    measured = models.DateTimeField(_("measured"))
    pictures = models.PositiveIntegerField(
        _("pictures"), help_text=_("The number of searchable pictures at that time.")
    )
    vectors = models.PositiveBigIntegerField(
        _("vectors"),
        default=0,
        db_default=0,
        help_text=_("Vectors of these pictures and their windows; 0 if not counted."),
    )
    words_least = models.FloatField(_("lower bound for text"))
    words_match = models.FloatField(_("threshold for text"))
    pictures_match = models.FloatField(_("threshold for pictures"))
    images_match = models.FloatField(
        _("threshold for images of the collection"), null=True, help_text=_("Empty: same as for pictures.")
    )
    whole = models.PositiveIntegerField(
        _("whole pictures"),
        default=0,
        db_default=0,
        help_text=_("The number of whole pictures at the start of the sample; 0 means all."),
    )
    windows_of = ArrayField(
        models.SmallIntegerField(),
        verbose_name=_("pictures of windows"),
        default=list,
        db_default=[],
        help_text=_("The picture number of each further vector in the sample."),
    )
    sample = models.BinaryField(_("sample"), help_text=_("Concatenated vectors of some of the pictures."))
    dimensions = models.PositiveSmallIntegerField(_("dimensions"), help_text=_("Dimensions of each of these vectors."))

    class Meta:
        verbose_name = _("calibration")
        verbose_name_plural = _("calibrations")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "text_model"], name="calibration_of_each_pair"),
            models.CheckConstraint(condition=~models.Q(model=""), name="calibration_names_its_model"),
            models.CheckConstraint(
                condition=models.Q(words_least__lte=models.F("words_match")),
                name="calibration_levels_in_order",
            ),
            models.CheckConstraint(
                condition=models.Q(dimensions__range=(1, MOST_DIMENSIONS)), name="calibration_dimensions_in_range"
            ),
        ]

    def __str__(self) -> str:
        return self.model

    def sampled(self) -> Vectors:
        """Return the sample, float32, shape (count, dimensions)."""
        return np.frombuffer(self.sample, dtype=np.float16).reshape(-1, self.dimensions).astype(np.float32)

    @staticmethod
    def as_sample(vectors: Vectors) -> bytes:
        """Return the bytes for `sample` of `vectors`, shape (count, dimensions)."""
        return vectors.astype(np.float16).tobytes()
