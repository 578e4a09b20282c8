"""Saved searches, whose owners are told what is new."""

import datetime as dt
import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import MD5, Greatest, Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from search.models.arrivals import Arrival
from search.models.query_pictures import QueryPicture
from search.models.text_fields import LineField

LONGEST_NAME = 200
LONGEST_QUERY = 20_000
"""Characters of a query string; a thousand Korean ones of a search become nine thousand."""


class SavedSearch(models.Model):
    """A search under a name. Its token gives access to its feed, without an account."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="saved_searches"
    )
    name = LineField(_("name"), max_length=LONGEST_NAME)
    query = models.TextField(_("query"), max_length=LONGEST_QUERY, blank=True, editable=False)
    # Query pictures expire after a while, but not these.
    pictures = models.ManyToManyField(
        QueryPicture, verbose_name=_("pictures"), related_name="saved_searches", editable=False
    )
    token = models.UUIDField(_("token"), default=uuid.uuid4, unique=True, editable=False)
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    last_seen = models.DateTimeField(_("last seen"), db_default=Now(), editable=False)
    # The number of the last arrival that its owner has seen; None: the last one at `last_seen`.
    told_to = models.BigIntegerField(null=True, editable=False)
    # Digest of the feed's last content, and when it changed, in whole seconds: each change has a second of its own.
    feed_digest = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    feed_modified = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("saved search")
        verbose_name_plural = _("saved searches")
        ordering: ClassVar = ["-created", "-id"]
        constraints: ClassVar = [
            # A query may be longer than an index allows.
            models.UniqueConstraint("user", MD5("query"), name="saved_search_once_for_each_user"),
            models.CheckConstraint(condition=~models.Q(name=""), name="saved_search_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("saved-search", args=[self.pk])

    @property
    def told(self) -> int:
        """The number of the last arrival that its owner has seen."""
        return Arrival.number_at(self.last_seen) if self.told_to is None else self.told_to

    def note_seen(self, when: dt.datetime, number: int) -> None:
        """Record that at `when` its owner saw what had arrived up to `number`."""
        further = models.Q(told_to=None) | models.Q(told_to__lte=number)
        type(self).objects.filter(further, pk=self.pk).update(
            last_seen=Greatest("last_seen", models.Value(when)), told_to=number
        )

    def note_feed(self, digest: str, entries: dt.datetime) -> dt.datetime:
        """Record the digest of the feed's content; return when it last changed.

        That is the time of the newest of its `entries`, or a later second than before, so that conditional requests
        also notice removed entries.
        """
        if self.feed_digest == digest and self.feed_modified:
            return self.feed_modified
        with transaction.atomic():
            now = type(self).objects.select_for_update(no_key=True).filter(pk=self.pk).first()
            if now is None:  # deleted at this moment
                return entries
            if now.feed_digest == digest and now.feed_modified:
                return now.feed_modified
            modified = entries
            if now.feed_modified:
                modified = max(entries, now.feed_modified.replace(microsecond=0) + dt.timedelta(seconds=1))
            type(self).objects.filter(pk=self.pk).update(feed_digest=digest, feed_modified=modified)
        return modified
