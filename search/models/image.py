"""Images: their vector, their metadata, and the constraints that the database enforces."""

import hashlib
import re
import uuid
from collections.abc import Collection, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import URLValidator
from django.db import models, transaction
from django.db.models.functions import Abs, Cast, Now
from django.db.models.lookups import LessThan
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from search.imaging.named_colours import PALETTE, palette_colour
from search.imaging.wide_picture_windows import MOST as MOST_WINDOWS
from search.imaging.wide_picture_windows import Box
from search.models import any_of_lookup  # noqa: F401 - registers the lookup that `hide_all` uses
from search.models.edits_with_history import note, write
from search.models.foreign_keys import user_key
from search.models.given_states import Row
from search.models.querysets import WINDOWS_PENDING, ImageQuerySet
from search.models.revisions import Revision
from search.models.text_fields import LineField, ProseField, TagsField

if TYPE_CHECKING:
    from search.curation.metadata_import import OfFile
    from search.imaging.colour_extraction import Swatch
    from search.ingestion.pipeline.window_vectors import Encoded
    from search.metadata import PhotoMetadata
    from search.models.capture_metadata import Capture
    from search.models.palettes import Palette
    from search.models.vector_values import Vector

_PIXELS = models.ExpressionWrapper(
    Cast("width", models.BigIntegerField()) * models.F("height"), output_field=models.BigIntegerField()
)
_LENGTH = models.Func("embedding", function="l2_norm", output_field=models.FloatField())

web_link = URLValidator(schemes=["http", "https"])


class WebLinkField(models.URLField):  # type: ignore[type-arg]
    """An http or https URL; https is assumed if typed without a scheme."""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"assume_scheme": "https", **kwargs})


class PaletteField(models.CharField):  # type: ignore[type-arg]
    """The name in PALETTE of the row's dominant colour, computed whenever the row is saved."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        colour = model_instance.dominant_colour  # type: ignore[attr-defined]
        # An invalid colour has no name either, and the database refuses the row.
        name = palette_colour(colour) if re.fullmatch("#[0-9a-f]{6}", colour) else ""
        setattr(model_instance, self.attname, name)
        return name


def content_id(*parts: bytes | IO[bytes]) -> uuid.UUID:
    """Return the id of the image whose file consists of these parts; open files are read in chunks.

    The first 122 bits of the SHA-256, as a UUID of version 8 (RFC 9562, section 5.8: "custom").
    """
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, bytes):
            found.update(part)
        else:
            part.seek(0)
            while piece := part.read(1 << 18):
                found.update(piece)
    return id_of_hash(found.digest())


def id_of_hash(digest: bytes) -> uuid.UUID:
    """Return the id of the image whose file has this SHA-256."""
    number = int.from_bytes(digest[:16])
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=number)


MOST_OF_A_REASON = 500


class Image(models.Model):
    """One picture. Its id is derived from the file's bytes: the same file is the same row."""

    class Format(models.TextChoices):
        JPEG = "JPEG", "JPEG"
        PNG = "PNG", "PNG"
        WEBP = "WEBP", "WebP"
        GIF = "GIF", "GIF"
        AVIF = "AVIF", "AVIF"
        HEIF = "HEIF", "HEIC"
        TIFF = "TIFF", "TIFF"
        BMP = "BMP", "BMP"
        JP2 = "JP2", "JPEG 2000"
        RAW = "RAW", "RAW"

    class Orientation(models.TextChoices):
        LANDSCAPE = "landscape", _("Landscape")
        PORTRAIT = "portrait", _("Portrait")
        SQUARE = "square", _("Square")

    class Size(models.TextChoices):
        """Classes by number of pixels: up to 1, 4 and 12 megapixels, and beyond."""

        SMALL = "small", _("Small (up to 1 MP)")
        MEDIUM = "medium", _("Medium (1 to 4 MP)")
        LARGE = "large", _("Large (4 to 12 MP)")
        HUGE = "huge", _("Very large (over 12 MP)")

    id = models.UUIDField(_("id"), primary_key=True, editable=False)
    # A half-precision vector stays in the row: a float32 one of 512 dimensions is moved out of line (TOAST), and an
    # exact scan of 30,000 rows then takes 83 ms instead of 17. Without vector and model the row is pending (`manage.py
    # embed_pending`), and no search finds it. This is the authoritative vector of the whole picture; searches read the
    # copies in `search.models.vectors`.
    embedding = HalfVectorField(_("embedding"), null=True, editable=False)
    embedding_model = models.CharField(_("model"), max_length=300, blank=True, editable=False)
    # What computed the vector, such as "torch float32". Backends that agree numerically with float32 may be mixed.
    embedding_backend = models.CharField(_("computed with"), max_length=60, blank=True, db_default="", editable=False)
    # Why embedding with the active model failed: for the operator, in English.
    embedding_failure = models.CharField(
        _("reason for failure"), max_length=MOST_OF_A_REASON, blank=True, db_default="", editable=False
    )

    title = LineField(_("title"), max_length=300, blank=True)
    description = ProseField(_("description"), max_length=5000, blank=True)
    source_link = WebLinkField(_("source link"), max_length=2000, blank=True, validators=[web_link])
    author = LineField(_("author"), max_length=300, blank=True)
    licence = LineField(_("licence"), max_length=300, blank=True)
    tags = TagsField(
        LineField(max_length=60),
        verbose_name=_("tags"),
        default=list,
        blank=True,
        size=50,
        help_text=_("Separated by commas."),
    )
    uploader = user_key(
        _("uploaded by"),
        related_name="images",
        blank=True,
        db_index=False,  # only a partial one: see `image_of_uploader`
    )
    hidden = models.BooleanField(
        _("hidden"), default=False, help_text=_("Hidden pictures can only be found and seen by curators.")
    )

    # The location of an original outside our storage, "s3://bucket/key"; "" if it is one of our objects.
    original_location = models.CharField(
        _("original stored at"), max_length=2000, blank=True, db_default="", editable=False
    )
    format = models.CharField(_("format"), max_length=4, choices=Format, editable=False)
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    byte_size = models.PositiveBigIntegerField(_("size"), editable=False)
    dominant_colour = models.CharField(_("dominant colour"), max_length=7, editable=False)
    colour = PaletteField(_("colour"), max_length=6, editable=False)
    # Square up to a ratio of 1.05 of the sides.
    orientation = models.GeneratedField(
        verbose_name=_("orientation"),
        expression=models.Case(
            models.When(width__gte=models.F("height") * 1.05, then=models.Value("landscape")),
            models.When(height__gte=models.F("width") * 1.05, then=models.Value("portrait")),
            default=models.Value("square"),
        ),
        output_field=models.CharField(max_length=9, choices=Orientation),
        db_persist=True,
    )
    size = models.GeneratedField(
        verbose_name=_("size in pixels"),
        expression=models.Case(
            *(
                models.When(LessThan(_PIXELS, megapixels * 1_000_000), then=models.Value(name))
                for megapixels, name in ((1, "small"), (4, "medium"), (12, "large"))
            ),
            default=models.Value("huge"),
        ),
        output_field=models.CharField(max_length=6, choices=Size),
        db_persist=True,
    )
    described = models.GeneratedField(
        verbose_name=_("has a description"),
        expression=models.ExpressionWrapper(~models.Q(description=""), output_field=models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # The edges of its windows (`search.imaging.wide_picture_windows`): left, top, right and bottom of each in
    # fractions of the upright picture, concatenated. None: not computed yet; pending for a wide or tall picture.
    windows = ArrayField(models.SmallIntegerField(), null=True, editable=False)
    # A data: URI of the picture at 16 pixels, displayed until the thumbnail has loaded.
    placeholder = models.TextField(_("placeholder"), editable=False)

    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated = models.DateTimeField(_("updated"), auto_now=True, db_default=Now())

    objects = ImageQuerySet.as_manager()

    # Set by a search: cosine distance to the query, relevance band ("strong", "related" or "weak"), whether full text
    # matched, and the nearest window of a wide or tall picture, 0 for the whole.
    distance: float | None = None
    # Who sees a private picture, set by `search.models.privacy`; "" for others.
    visibility: str = ""
    band: str | None = None
    by_words: bool = False
    window: int = 0
    # The parameters of the result page that found it, for links to its neighbours.
    found_by: str = ""
    # The image on the same result page that it is a copy of, and the number of its copies there.
    copy_of: uuid.UUID | None = None
    copies: int = 0
    # Before saving: the vectors of its windows, for the search table; and the name of a model in preparation, with its
    # vectors.
    window_vectors: "Sequence[Vector]" = ()
    next_vector: "tuple[str, Encoded] | None" = None
    # Before saving, for the captures: metadata, the fields set by a table or an uploader, and the identity of its
    # file.
    said: "PhotoMetadata | None" = None
    stated: Sequence[str] = ()
    of_file: "OfFile | None" = None

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering: ClassVar = ["-created", "id"]
        permissions: ClassVar = [("change_own_image", "Can change images that they have added")]
        indexes: ClassVar = [
            models.Index(fields=["-created", "id"], name="image_newest"),
            # Counts of searchable images by filter, without reading vectors. These columns have few values, so B-tree
            # deduplication stores each combination once with a list of rows: 1 MB for 100,000 images.
            models.Index(
                fields=["embedding_model", "format", "orientation", "size", "colour", "described"],
                condition=models.Q(hidden=False),
                name="image_facets",
            ),
            # Every update inserts its row into each index again, so the indexes are partial.
            models.Index(
                fields=["embedding_model", "licence"],
                condition=models.Q(hidden=False) & ~models.Q(licence=""),
                name="image_licence",
            ),
            models.Index(
                fields=["embedding_model", "uploader"],
                condition=models.Q(hidden=False, uploader__isnull=False),
                name="image_uploader",
            ),
            # The few that are excluded from counts.
            models.Index(fields=["id"], condition=models.Q(hidden=True), name="image_hidden"),
            models.Index(fields=["uploader"], condition=models.Q(uploader__isnull=False), name="image_of_uploader"),
            models.Index(fields=["created", "id"], condition=models.Q(embedding_model=""), name="image_pending"),
            models.Index(fields=["id"], condition=WINDOWS_PENDING, name="image_owed_windows"),
            GinIndex(fields=["tags"], name="image_tags"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(width__gt=0, height__gt=0), name="image_has_pixels"),
            models.CheckConstraint(condition=models.Q(byte_size__gt=0), name="image_has_bytes"),
            models.CheckConstraint(
                condition=models.Q(
                    format__in=["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF", "TIFF", "BMP", "JP2", "RAW"]
                ),
                name="image_format_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(embedding__isnull=True, embedding_model="")
                | models.Q(embedding__isnull=False) & ~models.Q(embedding_model=""),
                name="image_with_a_vector_names_its_model",
            ),
            models.CheckConstraint(
                condition=models.Q(dominant_colour__regex=r"^#[0-9a-f]{6}$"), name="image_dominant_colour_is_rgb"
            ),
            models.CheckConstraint(
                condition=models.Q(colour__in=list(PALETTE)), name="image_colour_is_of_the_palette"
            ),
            models.CheckConstraint(
                condition=models.Q(placeholder__startswith="data:image/"), name="image_placeholder_is_a_data_uri"
            ),
            models.CheckConstraint(
                # The usual beginning first: a regular expression takes ten times as long.
                condition=models.Q(source_link="")
                | models.Q(source_link__startswith="https://")
                | models.Q(source_link__iregex=r"^https?://"),
                name="image_source_link_is_web",
            ),
            # Halves have 11 bits of precision: a unit vector rounded to them has about unit length.
            models.CheckConstraint(
                condition=LessThan(Abs(_LENGTH - 1.0), 0.01),
                name="image_embedding_has_unit_length",
            ),
            models.CheckConstraint(
                condition=models.Q(windows__isnull=True)
                | models.Q(windows__len__in=[4 * count for count in range(MOST_WINDOWS + 1)]),
                name="image_windows_have_four_edges",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("image", args=[self.id])

    @property
    def name(self) -> str:
        """The title, or a neutral word where a title is needed."""
        return self.title or str(_("Untitled picture"))

    def note_failure(self, reason: str) -> None:
        """Record why embedding failed. Rows with the same reason are not updated: some have an index."""
        rows = type(self).objects.filter(pk=self.pk).exclude(embedding_failure=reason[:MOST_OF_A_REASON])
        rows.update(embedding_failure=reason[:MOST_OF_A_REASON])

    def window_box(self, number: int) -> Box | None:
        """Return the position of window `number`, from 1 on; None for the whole picture (0) and if unknown."""
        if number <= 0:
            return None
        edges = (self.windows or [])[4 * (number - 1) : 4 * number]
        return Box(*edges) if len(edges) == 4 else None

    @property
    def part(self) -> Box | None:
        """The window by which a search found the picture; None if it was the whole."""
        return self.window_box(self.window)

    @property
    def page_query(self) -> str:
        """The query string for the picture's page: the search that found it, for links to its neighbours, and the
        window to outline."""
        known = [f"window={self.window}" if self.part else "", self.found_by]
        return "?" + "&".join(filter(None, known)) if any(known) else ""

    @property
    def is_pending(self) -> bool:
        """Whether its vector is pending."""
        return not self.embedding_model

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1_000_000

    @property
    def similarity(self) -> float | None:
        """Cosine similarity to the query, at most 1; None outside a search."""
        return None if self.distance is None else 1 - self.distance

    @property
    def captured(self) -> "Capture | None":
        """Its capture; None if it has not been read yet."""
        try:
            return self.capture
        except type(self).capture.RelatedObjectDoesNotExist:
            return None

    @property
    def swatches(self) -> "list[Swatch]":
        """Its swatches, largest first; none if it has not been analysed yet."""
        palette = self._palette
        return palette.shown if palette else []

    @property
    def colour_names(self) -> list[str]:
        """The colours that it is found by: values of COLOUR_NAMES."""
        palette = self._palette
        return list(palette.names) if palette else []

    @property
    def _palette(self) -> "Palette | None":
        # The database creates one at the end of the inserting transaction.
        try:
            return self.palette
        except type(self).palette.RelatedObjectDoesNotExist:
            return None

    def hide(self) -> None:
        self.hide_all([self])

    @classmethod
    def hide_all(
        cls, images: "Collection[Image]", *, hidden: bool = True, by: Any = None, door: str = ""
    ) -> "list[Image]":
        """Hide these images, or show them again, as a revision; return those changed. For many, lock them first; none
        may be in the trash."""
        from search.models.privacy import Private  # noqa: PLC0415 - it needs this module

        # Private ones are hidden anyway: for them the curators' value is compared.
        own = dict(Private.objects.filter(image__pk__any_of={one.pk for one in images}).values_list("pk", "hidden"))
        changed = [image for image in images if own.get(image.pk, image.hidden) is not hidden]
        kind = Revision.Kind.HIDE if hidden else Revision.Kind.SHOW
        before, after = {"hidden": not hidden}, {"hidden": hidden}
        rows = [Row(image.pk, before, after) for image in changed]
        with transaction.atomic():
            # Not save(), which would overwrite others' changes.
            write(rows)
            if rows:
                note(Revision.objects.create(kind=kind, by=by, door=door).pk, rows)
        for image in changed:
            image.hidden = hidden or image.pk in own
        return changed
