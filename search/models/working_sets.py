"""Working sets: pictures that a curator works on, pasted, or all results of a search when they were counted."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.models.image import Image
from search.models.origins import FormerId

FORGOTTEN_AFTER = dt.timedelta(days=7)
MOST_MISSING = 100
"""Maximum number of pasted entries not found that are kept, to be listed."""


class WorkingSet(models.Model):
    """Exactly these images, in an order, for the user who made it. A change applies to what was counted and shown."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE)
    # An array and not a relation: it may contain the whole collection, and is read as a whole.
    images = ArrayField(models.UUIDField(), verbose_name=_("images"))
    # The parameters of the search that found them; "" if they were selected or pasted.
    search = models.TextField(_("search"), blank=True)
    missing = ArrayField(models.TextField(), verbose_name=_("not found"), default=list, blank=True)
    missing_count = models.PositiveIntegerField(_("number not found"), default=0)
    created = models.DateTimeField(_("created"), db_default=Now(), db_index=True, editable=False)

    class Meta:
        default_permissions = ()
        verbose_name = _("working set")
        verbose_name_plural = _("working sets")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(missing__len__lte=MOST_MISSING), name="few_missing_are_named"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def keep(cls, user: Any, ids: Sequence[uuid.UUID], *, search: str = "", missing: Sequence[str] = ()) -> Self:
        """Save these images for `user`, and delete all expired sets."""
        cls.objects.filter(created__lte=timezone.now() - FORGOTTEN_AFTER).delete()
        named = [one.replace("\0", "")[:200] for one in missing[:MOST_MISSING]]
        return cls.objects.create(
            user=user, images=list(ids), search=search, missing=named, missing_count=len(missing)
        )

    @classmethod
    def of(cls, user: Any, text: str) -> "Self | None":
        """Return the set of `user` with the id in `text`; None if it is invalid, expired or another user's."""
        try:
            key = uuid.UUID(text)
        except ValueError:
            return None
        return cls.objects.filter(pk=key, user=user, created__gt=timezone.now() - FORGOTTEN_AFTER).first()

    def present(self) -> list[uuid.UUID]:
        """Return the current ids of those that still exist, in order."""
        there = set(Image.objects.kept().filter(pk__any_of=self.images).values_list("pk", flat=True))
        former = FormerId.present([one for one in self.images if one not in there])
        ids = (one if one in there else former.get(one) for one in self.images)
        return list(dict.fromkeys(one for one in ids if one))
