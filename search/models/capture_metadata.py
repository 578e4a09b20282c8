"""When, where and with what pictures were taken, and which of these fields people have changed."""

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from search.models.places import Place
from search.models.references import image_key
from search.models.text_fields import LineField

if TYPE_CHECKING:
    _DateTimeField = models.DateTimeField[Any, Any]
else:
    _DateTimeField = models.DateTimeField


class WallTimeInput(forms.DateTimeField):
    """A time without a zone: local time where the picture was taken."""

    def prepare_value(self, value: Any) -> Any:
        return value

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        return found.replace(tzinfo=None) if isinstance(found, dt.datetime) else found


class WallTimeField(_DateTimeField):
    """A time without a zone."""

    def db_type(self, connection: Any) -> str:
        return "timestamp"

    def get_prep_value(self, value: Any) -> Any:
        return models.Field.get_prep_value(self, self.to_python(value))

    def to_python(self, value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=None)
        return None if value is None else dt.datetime.fromisoformat(value)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": WallTimeInput, **kwargs})


class Capture(models.Model):
    """Metadata of a picture from its camera or from people: one row for each image that was read, even if nothing was
    found.

    A separate table, so that writing it doesn't touch the rows with vectors, and only pages that show it read it.
    """

    class TakenFrom(models.TextChoices):
        PERSON = "person", _("a curator")
        TABLE = "table", _("a table")
        SIDECAR = "sidecar", _("a sidecar file")
        CAMERA = "camera", _("the camera")
        NAME = "name", _("the file name")
        FILE = "file", _("the file date")

    GUESSED = (TakenFrom.NAME, TakenFrom.FILE)
    """Sources of dates that are approximate at best."""

    image = image_key("capture")
    # Version of the reader (search.metadata.READER); 0: not read yet.
    reader = models.SmallIntegerField(default=0, db_default=0, editable=False)
    # Fields of this row and of its image that a person has changed: reading files doesn't overwrite them.
    edited = ArrayField(models.CharField(max_length=20), default=list, db_default=[], editable=False)
    # Hash of the decoded pixels, by which a file whose metadata was edited is told from another picture; None:
    # unknown.
    pixels = models.UUIDField(null=True, editable=False)
    # Hash of the sidecars that were read last; None: unknown.
    sidecars = models.UUIDField(null=True, editable=False)

    # Fields set by a table or by the uploader: reading files doesn't overwrite them, other tables do.
    stated = ArrayField(models.CharField(max_length=20), default=list, db_default=[], editable=False)

    # Local time where it was taken.
    taken = WallTimeField(_("date taken"), null=True, blank=True)
    taken_offset = models.SmallIntegerField(
        _("UTC offset"), null=True, blank=True, help_text=_("In minutes; empty if unknown.")
    )
    taken_from = models.CharField(
        _("source of the date"), max_length=8, choices=TakenFrom, blank=True, default="", db_default="", editable=False
    )
    camera = LineField(_("camera"), max_length=150, blank=True, default="", db_default="")
    lens = LineField(_("lens"), max_length=150, blank=True, default="", db_default="")
    focal_length = models.FloatField(_("focal length"), null=True, editable=False)
    aperture = models.FloatField(_("aperture"), null=True, editable=False)
    exposure = models.FloatField(_("exposure"), null=True, editable=False)
    iso = models.IntegerField(_("ISO"), null=True, editable=False)
    rating = models.SmallIntegerField(_("rating"), null=True, blank=True)
    # For curators only: no public page or answer contains them.
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    # The town, once looked up; None at sea. A trigger resets both when the coordinates change, whatever changes them
    # (migration 0030).
    place = models.ForeignKey(
        Place, null=True, on_delete=models.PROTECT, db_index=False, editable=False, related_name="captures"
    )
    is_placed = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            # By the time taken, then by id.
            models.Index(fields=["taken", "image"], condition=models.Q(taken__isnull=False), name="capture_taken"),
            # Copies with the same pixels.
            models.Index(fields=["pixels"], condition=models.Q(pixels__isnull=False), name="capture_pixels"),
            models.Index(fields=["camera", "image"], condition=~models.Q(camera=""), name="capture_camera"),
            models.Index(fields=["place", "image"], condition=models.Q(place__isnull=False), name="capture_place"),
            # For pictures near a place: a range of latitudes, filtered by longitude.
            models.Index(
                fields=["latitude", "longitude", "image"],
                condition=models.Q(latitude__isnull=False),
                name="capture_coordinates",
            ),
            models.Index(
                fields=["image"],
                condition=models.Q(latitude__isnull=False, is_placed=False),
                name="capture_unplaced",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(taken__isnull=True, taken_from="")
                | models.Q(taken__isnull=False) & ~models.Q(taken_from=""),
                name="capture_time_has_a_source",
            ),
            models.CheckConstraint(
                condition=models.Q(rating__isnull=True) | models.Q(rating__range=(1, 5)),
                name="capture_rating_is_stars",
            ),
            models.CheckConstraint(
                condition=models.Q(latitude__isnull=True, longitude__isnull=True)
                | models.Q(
                    latitude__isnull=False,
                    latitude__range=(-90, 90),
                    longitude__isnull=False,
                    longitude__range=(-180, 180),
                ),
                name="capture_place_is_on_earth",
            ),
        ]

    def __str__(self) -> str:
        return self.camera or str(self.image_id)

    @property
    def is_about(self) -> bool:
        """Whether the time is only a guess."""
        return self.taken_from in self.GUESSED

    @property
    def has_place(self) -> bool:
        return self.latitude is not None

    @property
    def zone(self) -> str:
        """The offset from UTC as text, such as "+09:00"; "" if unknown."""
        if self.taken_offset is None:
            return ""
        hours, minutes = divmod(abs(self.taken_offset), 60)
        return f"{'-' if self.taken_offset < 0 else '+'}{hours:02}:{minutes:02}"

    @property
    def exposure_text(self) -> str:
        """The exposure in photographers' notation: "1/250 s", "2.5 s"."""
        if not self.exposure:
            return ""
        return f"1/{round(1 / self.exposure)} s" if self.exposure < 0.4 else f"{self.exposure:.3g} s"

    @property
    def settings(self) -> list[str]:
        """Focal length, aperture, exposure and ISO speed, as far as known."""
        return [
            *([f"{self.focal_length:.4g} mm"] if self.focal_length else []),
            *([f"f/{self.aperture:.3g}"] if self.aperture else []),
            *filter(None, [self.exposure_text]),
            *([f"ISO {self.iso}"] if self.iso else []),
        ]
