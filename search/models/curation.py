"""What the people who look after the collection are told about it."""

from typing import ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.models.image import Image
from search.models.texts import ProseField


class Report(models.Model):
    """Somebody says that a picture should not be here. Pending until a curator resolves it."""

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
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("reported by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="reports",
    )
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    resolved = models.DateTimeField(_("resolved"), null=True, blank=True, editable=False)
    resolver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("resolved by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="resolved_reports",
    )

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

    def resolve(self, resolver: models.Model, *, hide: bool = False) -> None:
        """Close this report; with `hide`, take the picture out of sight and close all that was said of it."""
        with transaction.atomic():
            closed = Report.objects.filter(resolved=None)
            if hide:
                self.image.hide()
                closed = closed.filter(image=self.image)
            else:
                closed = closed.filter(pk=self.pk)
            closed.update(resolved=timezone.now(), resolver=resolver)


class OwedDeletion(models.Model):
    """The objects of a deleted image, still to be deleted from the storage.

    Written in the transaction that deletes the image, so that nothing is forgotten when the storage is down or the
    process is killed.
    """

    image_id = models.UUIDField(primary_key=True)
    created = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.image_id)
