"""Reports about pictures."""

from collections.abc import Collection
from typing import ClassVar

from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.models.conflicts import locked
from search.models.foreign_keys import user_key
from search.models.image import Image
from search.models.revisions import Revision
from search.models.text_fields import ProseField

MOST_PENDING = 20
"""Unresolved reports of one picture; more would tell the curators nothing new."""


class Report(models.Model):
    """A report that a picture should not be here. Pending until a curator resolves it."""

    class Reason(models.TextChoices):
        INAPPROPRIATE = "inappropriate", _("Inappropriate content")
        BROKEN = "broken", _("Broken or empty")
        VIOLENT = "violent", _("Violent")
        EXPLICIT = "explicit", _("Explicit")
        HORROR = "horror", _("Horror")
        ADVERTISEMENT = "advertisement", _("Advertisement or spam")
        OTHER = "other", _("Other")

    image = models.ForeignKey(Image, verbose_name=_("image"), on_delete=models.CASCADE, related_name="reports")
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    details = ProseField(_("details"), max_length=1000, blank=True)
    reporter = user_key(_("reported by"), related_name="reports", blank=True)
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    resolved = models.DateTimeField(_("resolved on"), null=True, blank=True, editable=False)
    resolver = user_key(_("resolved by"), related_name="resolved_reports", blank=True, editable=False)

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering: ClassVar = [models.F("resolved").desc(nulls_first=True), "created"]
        indexes: ClassVar = [
            models.Index(fields=["created"], condition=models.Q(resolved=None), name="report_pending")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(
                    reason__in=["inappropriate", "broken", "violent", "explicit", "horror", "advertisement", "other"]
                ),
                name="report_reason_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.image}"

    def file(self) -> None:
        """Save this new report, unless its picture has MOST_PENDING unresolved ones already."""
        if type(self).objects.filter(image=self.image_id, resolved=None)[:MOST_PENDING].count() < MOST_PENDING:
            self.save(force_insert=True)

    def resolve(self, resolver: models.Model, *, hide: bool = False) -> None:
        """Resolve this report; with `hide`, hide the picture and resolve all its reports."""
        type(self).resolve_all([self.pk], resolver, hide=hide)

    @classmethod
    def resolve_all(
        cls, keys: Collection[int], resolver: models.Model, *, hide: bool = False
    ) -> "tuple[list[Image], list[Report]]":
        """Resolve the reports with these keys; with `hide`, hide their pictures and resolve all reports of these.

        Returns the pictures that this has hidden, and the reports that it has resolved. Raises the errors of
        `search.models.conflicts`.
        """
        hidden: list[Image] = []
        named = cls.objects.filter(pk__in=keys)
        with transaction.atomic():
            if hide:
                images = locked(Image.objects.filter(pk__in=named.values("image")).only("title", "hidden"))
                hidden = Image.hide_all(images, by=resolver, door=Revision.Door.ADMIN)
                named = cls.objects.filter(image__in=images)
            closed = cls.lock(named.filter(resolved=None))
            cls.objects.filter(pk__in=[report.pk for report in closed]).update(
                resolved=timezone.now(), resolver=resolver
            )
        return hidden, closed

    @classmethod
    def reopen_all(cls, keys: Collection[int]) -> "list[Report]":
        """Reopen these reports; return those that were resolved."""
        with transaction.atomic():
            opened = cls.lock(cls.objects.filter(pk__in=keys).exclude(resolved=None))
            cls.objects.filter(pk__in=[report.pk for report in opened]).update(resolved=None, resolver=None)
        return opened

    @staticmethod
    def lock(reports: "models.QuerySet[Report]") -> "list[Report]":
        """Lock reports until the transaction ends; lock their pictures first where both are locked."""
        return locked(reports.select_related("image").defer("image__embedding", "image__description"))
