"""Searches that somebody keeps, to be told what is new."""

import datetime as dt
import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import MD5, Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from search.models.queries import QueryPicture
from search.models.texts import LineField

LONGEST_NAME = 200
LONGEST_QUERY = 20_000
"""Characters of an address; a thousand Korean ones of a search are nine thousand."""


class SavedSearch(models.Model):
    """A search under a name. Whoever knows its token can follow it as a feed, without an account."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="saved_searches"
    )
    name = LineField(_("name"), max_length=LONGEST_NAME)
    query = models.TextField(_("query"), max_length=LONGEST_QUERY, blank=True, editable=False)
    # Pictures that are searched by are forgotten after a while, but not these.
    pictures = models.ManyToManyField(
        QueryPicture, verbose_name=_("pictures"), related_name="saved_searches", editable=False
    )
    token = models.UUIDField(_("token"), default=uuid.uuid4, unique=True, editable=False)
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    last_seen = models.DateTimeField(_("last seen"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("saved search")
        verbose_name_plural = _("saved searches")
        ordering: ClassVar = ["-created", "-id"]
        constraints: ClassVar = [
            # A query may be longer than what an index holds.
            models.UniqueConstraint("user", MD5("query"), name="saved_search_once_for_each_user"),
            models.CheckConstraint(condition=~models.Q(name=""), name="saved_search_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("saved-search", args=[self.pk])

    def note_seen(self, when: dt.datetime) -> None:
        """Its owner has seen what there was at `when`."""
        type(self).objects.filter(pk=self.pk, last_seen__lt=when).update(last_seen=when)
