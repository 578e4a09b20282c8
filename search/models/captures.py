"""When, where and with what pictures were taken, and what people changed of what was read."""

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from search.models.image import Image
from search.models.places import Place
from search.models.texts import LineField

if TYPE_CHECKING:
    _DateTimeField = models.DateTimeField[Any, Any]
else:
    _DateTimeField = models.DateTimeField


class WallTimeInput(forms.DateTimeField):
    """A time without a zone: what a clock showed there, not here."""

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
    """What was written of a picture by its camera or by people, and can't be seen in it: one row for each that was
    read, whether it said anything or not.

    A table of its own: it is written without touching the rows that have vectors, and read where it is shown.
    """

    class TakenFrom(models.TextChoices):
        PERSON = "person", _("a curator")
        TABLE = "table", _("a table")
        SIDECAR = "sidecar", _("a file beside it")
        CAMERA = "camera", _("the camera")
        NAME = "name", _("the name of its file")
        FILE = "file", _("the age of its file")

    GUESSED = (TakenFrom.NAME, TakenFrom.FILE)
    """From where a date is about right at best."""

    # The database deletes it with its image: Django need not ask for it first.
    image = models.OneToOneField(
        Image, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="capture"
    )
    # What read it, see search.metadata.READER; 0: nobody yet.
    reader = models.SmallIntegerField(default=0, db_default=0, editable=False)
    # Names of fields, of this row and of its image, that a person has changed: reading leaves them alone.
    edited = ArrayField(models.CharField(max_length=20), default=list, db_default=[], editable=False)
    # Of what is decoded, by which a file that was only rated or tagged is told from another picture; None: not known.
    pixels = models.UUIDField(null=True, editable=False)
    # Of the files beside the picture that were read last; None: not known.
    sidecars = models.UUIDField(null=True, editable=False)

    # The same, that a table has stated or who uploaded it: reading files leaves them alone, and other tables don't.
    stated = ArrayField(models.CharField(max_length=20), default=list, db_default=[], editable=False)

    # By the clock of the place.
    taken = WallTimeField(_("taken"), null=True, blank=True)
    taken_offset = models.SmallIntegerField(
        _("ahead of UTC"), null=True, blank=True, help_text=_("In minutes; empty where nobody knows.")
    )
    taken_from = models.CharField(
        _("date from"), max_length=8, choices=TakenFrom, blank=True, default="", db_default="", editable=False
    )
    camera = LineField(_("camera"), max_length=150, blank=True, default="", db_default="")
    lens = LineField(_("lens"), max_length=150, blank=True, default="", db_default="")
    focal_length = models.FloatField(_("focal length"), null=True, editable=False)
    aperture = models.FloatField(_("aperture"), null=True, editable=False)
    exposure = models.FloatField(_("exposure"), null=True, editable=False)
    iso = models.IntegerField(_("ISO"), null=True, editable=False)
    rating = models.SmallIntegerField(_("rating"), null=True, blank=True)
    # Of curators alone: nothing that others see has them.
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    # What is there, once somebody has looked it up: nothing at sea. A trigger takes both back when the coordinates
    # change, whoever changes them (migration 0030).
    place = models.ForeignKey(
        Place, null=True, on_delete=models.PROTECT, db_index=False, editable=False, related_name="captures"
    )
    is_placed = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            # By the time taken, of several at one time by the id.
            models.Index(fields=["taken", "image"], condition=models.Q(taken__isnull=False), name="capture_taken"),
            # Copies of the same pixels.
            models.Index(fields=["pixels"], condition=models.Q(pixels__isnull=False), name="capture_pixels"),
            models.Index(fields=["camera", "image"], condition=~models.Q(camera=""), name="capture_camera"),
            models.Index(fields=["place", "image"], condition=models.Q(place__isnull=False), name="capture_place"),
            # Of those near some place: between two latitudes, and of these between two longitudes.
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
        """Whether the time is no more than a guess."""
        return self.taken_from in self.GUESSED

    @property
    def has_place(self) -> bool:
        return self.latitude is not None

    @property
    def zone(self) -> str:
        """The offset as it is written, such as "+09:00"; "" where nobody knows it."""
        if self.taken_offset is None:
            return ""
        hours, minutes = divmod(abs(self.taken_offset), 60)
        return f"{'-' if self.taken_offset < 0 else '+'}{hours:02}:{minutes:02}"

    @property
    def exposure_told(self) -> str:
        """The exposure as photographers write it: "1/250 s", "2.5 s"."""
        if not self.exposure:
            return ""
        return f"1/{round(1 / self.exposure)} s" if self.exposure < 0.4 else f"{self.exposure:.3g} s"

    @property
    def settings(self) -> list[str]:
        """Focal length, aperture, exposure and speed, as far as they are known."""
        return [
            *([f"{self.focal_length:.4g} mm"] if self.focal_length else []),
            *([f"f/{self.aperture:.3g}"] if self.aperture else []),
            *filter(None, [self.exposure_told]),
            *([f"ISO {self.iso}"] if self.iso else []),
        ]
