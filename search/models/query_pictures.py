"""Query pictures: pictures that people search by."""

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from search.models.image import Image

KEPT = dt.timedelta(days=30)


class QueryPicture(models.Model):
    """A picture that somebody searched by. Its id, the token in the URL, is a hash of its bytes.

    Only a small copy is kept: enough to show, and to embed again after a change of the model.
    """

    id = models.UUIDField(_("token"), primary_key=True, editable=False)
    embedding = HalfVectorField(_("embedding"))
    embedding_model = models.CharField(_("model"), max_length=300)
    rendition = models.BinaryField(_("rendition"), help_text=_("WebP, at most 448 pixels."))
    # The image it was cut from: a hidden image must not be visible through its crop.
    image = models.ForeignKey(
        Image, verbose_name=_("image"), on_delete=models.CASCADE, null=True, editable=False, related_name="+"
    )
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
        """Those that have not expired, or belong to a saved search; none of a hidden image."""
        kept = cls.objects.filter(models.Q(created__gt=timezone.now() - KEPT) | cls._is_saved())
        return kept.exclude(image__hidden=True)

    @classmethod
    def cut_from(cls, tokens: Iterable[uuid.UUID | str]) -> dict[object, Image]:
        """Return the images from which these pictures were cut, by token, with only their titles loaded."""
        wanted = list(tokens)
        if not wanted:
            return {}
        images = Image.objects.only("title")
        parts = cls.kept().filter(pk__in=wanted, image__isnull=False).only("image")
        return {part.pk: part.image for part in parts.prefetch_related(models.Prefetch("image", images)) if part.image}

    @classmethod
    def forget_old(cls) -> None:
        """Delete expired ones, and the oldest beyond the maximum."""
        newest = cls.objects.order_by("-created").values_list("created", flat=True)
        too_many = list(newest[settings.QUERY_PICTURES_KEPT : settings.QUERY_PICTURES_KEPT + 1])
        until = max([timezone.now() - KEPT, *too_many])
        cls.objects.filter(~cls._is_saved(), created__lte=until).delete()

    @classmethod
    def _is_saved(cls) -> models.Exists:
        uses = cls.saved_searches.through.objects
        return models.Exists(uses.filter(querypicture=models.OuterRef("pk")))
