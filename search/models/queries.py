"""What was searched by and must be remembered: the pictures that people show."""

import datetime as dt
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from search.models.image import DIMENSIONS

KEPT = dt.timedelta(days=30)


class QueryPicture(models.Model):
    """A picture that somebody searched by. Its id, the token in the address, is made from its bytes.

    The picture itself is kept small: enough to show, and to embed anew when the model has changed.
    """

    id = models.UUIDField(_("token"), primary_key=True, editable=False)
    embedding = HalfVectorField(_("embedding"), dimensions=DIMENSIONS)
    embedding_model = models.CharField(_("model"), max_length=300)
    rendition = models.BinaryField(_("rendition"), help_text=_("WebP, at most 448 pixels."))
    created = models.DateTimeField(_("created"), db_default=Now(), db_index=True)

    class Meta:
        verbose_name = _("query picture")
        verbose_name_plural = _("query pictures")
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(embedding_model=""), name="query_picture_names_its_model"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def kept(cls) -> "models.QuerySet[QueryPicture]":
        """Those that are not yet too old to be shown."""
        return cls.objects.filter(created__gt=timezone.now() - KEPT)

    @classmethod
    def forget_old(cls) -> None:
        cls.objects.filter(created__lte=timezone.now() - KEPT).delete()
