"""Picture sets: selections that are shared by a link."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.models.image import content_id
from search.models.references import user_key

MOST = 500
"""Maximum number of pictures in a set."""
FORGOTTEN_AFTER = dt.timedelta(days=365)
_NOTED_EACH = dt.timedelta(days=1)


class PictureSet(models.Model):
    """Images in an order. The id is a hash of them: the same pictures in the same order have the same link."""

    id = models.UUIDField(_("id"), primary_key=True, editable=False)
    # An array and not a relation: it keeps the order, and shows how many pictures are gone.
    images = ArrayField(models.UUIDField(), verbose_name=_("images"), size=MOST)
    creator = user_key(_("created by"), related_name="picture_sets", blank=True)
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
        """Return the set of exactly these images, new or existing; the first to share it is its creator."""
        cls.forget_old()
        kept = cls(id=content_id(b"".join(one.bytes for one in ids)), images=list(ids), creator=creator)
        cls.objects.bulk_create([kept], ignore_conflicts=True)
        kept.note_seen()
        return kept

    def note_seen(self) -> None:
        """Record that the set was viewed, once a day."""
        now = timezone.now()
        type(self).objects.filter(pk=self.pk, seen__lt=now - _NOTED_EACH).update(seen=now)

    @classmethod
    def forget_old(cls) -> None:
        """Delete sets that were not viewed for a year."""
        cls.objects.filter(seen__lte=timezone.now() - FORGOTTEN_AFTER).delete()
