"""A picture of the collection: its vector, what is known of it, and what the database promises about it."""

import hashlib
import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import URLValidator
from django.db import models
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThan, LessThan
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField, HnswIndex

from search.querysets import ImageQuerySet

DIMENSIONS = 512

_LENGTH = models.Func("embedding", function="l2_norm", output_field=models.FloatField())

web_link = URLValidator(schemes=["http", "https"])


class WebLinkField(models.URLField):  # type: ignore[type-arg]
    """An http or https address; typed without its scheme it is taken for https."""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"assume_scheme": "https", **kwargs})


def content_id(data: bytes) -> uuid.UUID:
    """Return the id of the image whose uploaded bytes are `data`.

    The first 122 bits of the SHA-256, marked as a UUID of version 8 (RFC 9562, section 5.8: "custom").
    """
    number = int.from_bytes(hashlib.sha256(data).digest()[:16])
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=number)


class Image(models.Model):
    """One picture. Its id is made from the uploaded bytes: the same file is the same row."""

    class Format(models.TextChoices):
        JPEG = "JPEG", "JPEG"
        PNG = "PNG", "PNG"
        WEBP = "WEBP", "WebP"
        GIF = "GIF", "GIF"
        AVIF = "AVIF", "AVIF"
        HEIF = "HEIF", "HEIC"

    id = models.UUIDField(_("id"), primary_key=True, editable=False)
    # A half-precision vector stays in the row: a float32 one of 512 dimensions is moved out of line (TOAST), and an
    # exact scan of 30,000 rows then takes 83 ms instead of 17.
    embedding = HalfVectorField(_("embedding"), dimensions=DIMENSIONS, editable=False)
    embedding_model = models.CharField(_("model"), max_length=300, editable=False)

    title = models.CharField(_("title"), max_length=300, blank=True)
    description = models.TextField(_("description"), max_length=5000, blank=True)
    source_link = WebLinkField(_("source link"), max_length=2000, blank=True, validators=[web_link])
    author = models.CharField(_("author"), max_length=300, blank=True)
    licence = models.CharField(_("licence"), max_length=300, blank=True)
    tags = ArrayField(
        models.CharField(max_length=60),
        verbose_name=_("tags"),
        default=list,
        blank=True,
        size=50,
        help_text=_("Separated by commas."),
    )
    uploader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("uploaded by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="images",
    )
    hidden = models.BooleanField(
        _("hidden"), default=False, help_text=_("Hidden pictures are found and seen by curators only.")
    )

    format = models.CharField(_("format"), max_length=4, choices=Format, editable=False)
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    byte_size = models.PositiveBigIntegerField(_("size"), editable=False)
    dominant_colour = models.CharField(_("dominant colour"), max_length=7, editable=False)
    # A data: URI of the picture at 16 pixels, shown until the thumbnail is there.
    placeholder = models.TextField(_("placeholder"), editable=False)

    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated = models.DateTimeField(_("updated"), auto_now=True, db_default=Now())

    objects = ImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering: ClassVar = ["-created", "id"]
        indexes: ClassVar = [
            HnswIndex(
                name="image_embedding_hnsw",
                fields=["embedding"],
                m=16,
                ef_construction=128,
                opclasses=["halfvec_cosine_ops"],
            ),
            models.Index(fields=["-created", "id"], name="image_newest"),
            # How many can be searched, counted without reading the vectors.
            models.Index(fields=["embedding_model"], condition=models.Q(hidden=False), name="image_searchable"),
            GinIndex(fields=["tags"], name="image_tags"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(width__gt=0, height__gt=0), name="image_has_pixels"),
            models.CheckConstraint(condition=models.Q(byte_size__gt=0), name="image_has_bytes"),
            models.CheckConstraint(
                condition=models.Q(format__in=["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"]),
                name="image_format_is_known",
            ),
            models.CheckConstraint(condition=~models.Q(embedding_model=""), name="image_names_its_model"),
            models.CheckConstraint(
                condition=models.Q(dominant_colour__regex=r"^#[0-9a-f]{6}$"), name="image_dominant_colour_is_rgb"
            ),
            models.CheckConstraint(
                condition=models.Q(placeholder__startswith="data:image/"), name="image_placeholder_is_a_data_uri"
            ),
            models.CheckConstraint(
                condition=models.Q(source_link="") | models.Q(source_link__iregex=r"^https?://"),
                name="image_source_link_is_web",
            ),
            # Halves have 11 bits of precision: a unit vector rounded to them is this near to unit length.
            models.CheckConstraint(
                condition=GreaterThan(_LENGTH, 0.99) & LessThan(_LENGTH, 1.01),
                name="image_embedding_has_unit_length",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("image", args=[self.id])

    @property
    def name(self) -> str:
        """What to call the picture where a title is wanted: its title, or a neutral word."""
        return self.title or str(_("Untitled picture"))

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1_000_000

    @property
    def similarity(self) -> float | None:
        """Cosine similarity to what was searched, 1 at best; None outside a search."""
        distance: float | None = getattr(self, "distance", None)
        return None if distance is None else 1 - distance

    def hide(self) -> None:
        # Not save(): it fails when somebody has deleted the image meanwhile.
        type(self).objects.filter(pk=self.pk).update(hidden=True, updated=Now())
        self.hidden = True
