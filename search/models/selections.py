"""Sets of pictures that somebody shares by a link."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.models.image import content_id

MOST = 500
"""Pictures in one selection."""
FORGOTTEN_AFTER = dt.timedelta(days=365)
_NOTED_EACH = dt.timedelta(days=1)


class PictureSet(models.Model):
    """Images in an order. The id is made from them: the same pictures in the same order are the same link."""

    id = models.UUIDField(_("id"), primary_key=True, editable=False)
    # An array and no relation: a set keeps its order, and tells how many of its pictures are gone.
    images = ArrayField(models.UUIDField(), verbose_name=_("images"), size=MOST)
    creator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="picture_sets",
    )
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    seen = models.DateTimeField(_("last seen"), db_default=Now(), db_index=True, editable=False)

    class Meta:
        verbose_name = _("picture set")
        verbose_name_plural = _("picture sets")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(images__len__gte=1, images__len__lte=MOST), name="picture_set_is_bounded"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def get_absolute_url(self) -> str:
        return reverse("picture-set", args=[self.id])

    @classmethod
    def keep(cls, ids: Sequence[uuid.UUID], creator: Any) -> Self:
        """Return the set of exactly these images, new or known; the first to share it counts as its creator."""
        cls.forget_old()
        kept = cls(id=content_id(b"".join(one.bytes for one in ids)), images=list(ids), creator=creator)
        cls.objects.bulk_create([kept], ignore_conflicts=True)
        kept.note_seen()
        return kept

    def note_seen(self) -> None:
        """Somebody looked at this set today."""
        now = timezone.now()
        type(self).objects.filter(pk=self.pk, seen__lt=now - _NOTED_EACH).update(seen=now)

    @classmethod
    def forget_old(cls) -> None:
        """Forget sets that nobody has looked at for a year."""
        cls.objects.filter(seen__lte=timezone.now() - FORGOTTEN_AFTER).delete()
