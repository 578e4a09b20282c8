"""The vocabulary: tags with names and a phrase for the model, and suggestions of them."""

from collections.abc import Iterator
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pgvector.django import HalfVectorField

from search.models.image import Image
from search.models.references import user_key
from search.models.sql_statements import execute
from search.models.text_fields import LineField, TagsField

LONGEST_TAG = 60
LONGEST_PHRASE = 200
MOST_ALIASES = 50
DEEPEST = 8
"""Maximum depth of nested tags."""
_LOCK = 0x766F636162


class VocabularyTag(models.Model):
    """A tag: `name` is what pictures get. A search for any of its names, or for a tag that contains it, finds it.

    Without a phrase it is never suggested.
    """

    name = LineField(
        gettext_lazy("tag"), max_length=LONGEST_TAG, help_text=gettext_lazy("Tags that pictures can have.")
    )
    english = LineField(gettext_lazy("English name"), max_length=LONGEST_TAG, blank=True)
    korean = LineField(gettext_lazy("Korean name"), max_length=LONGEST_TAG, blank=True)
    phrase = LineField(
        gettext_lazy("phrase for the model"),
        max_length=LONGEST_PHRASE,
        blank=True,
        help_text=gettext_lazy(
            "What such a picture shows, for example “a photo of a dog”. A tag without a phrase is never suggested."
        ),
    )
    aliases = TagsField(
        LineField(max_length=LONGEST_TAG),
        verbose_name=gettext_lazy("aliases"),
        default=list,
        blank=True,
        size=MOST_ALIASES,
        help_text=gettext_lazy("Other names of this tag, separated by commas."),
    )
    parent = models.ForeignKey(
        "self",
        verbose_name=gettext_lazy("parent tag"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="children",
        help_text=gettext_lazy("A broader tag. Filtering by it also finds the pictures with this tag."),
    )

    class Meta:
        verbose_name = gettext_lazy("tag")
        verbose_name_plural = gettext_lazy("tags")
        # Users who may change pictures may change the vocabulary.
        default_permissions = ()
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="vocabulary_tag_once"),
            models.CheckConstraint(condition=~models.Q(name=""), name="vocabulary_tag_has_a_name"),
            models.CheckConstraint(condition=~models.Q(parent=models.F("id")), name="vocabulary_tag_not_in_itself"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def names(self) -> list[str]:
        """All its names, without duplicates: the name, those in both languages, and the aliases."""
        return list(dict.fromkeys(name for name in (self.name, self.english, self.korean, *self.aliases) if name))

    def called(self, language: str) -> str:
        """Return its name in a language of the site."""
        return (self.korean if language.startswith("ko") else self.english) or self.name

    def wider(self) -> "Iterator[VocabularyTag]":
        """Yield the tags that contain this one, nearest first."""
        seen = {self.pk}
        parent = self.parent
        while parent is not None and parent.pk not in seen:
            yield parent
            seen.add(parent.pk)
            parent = parent.parent

    def clean(self) -> None:
        """Raise ValidationError if another tag has one of its names, or if it would be within itself."""
        self.refuse_commas()
        problems: dict[str, list[str]] = {}
        taken = names_taken(except_for=self.pk)
        for field in ("name", "english", "korean", "aliases"):
            for name in self.aliases if field == "aliases" else [getattr(self, field)]:
                if name and (other := taken.get(name.casefold())):
                    problems.setdefault(field, []).append(
                        _("“%(name)s” is already a name of the tag “%(other)s”.") % {"name": name, "other": other}
                    )
        above = list(self.wider())
        if self.pk and self.pk in {tag.parent_id for tag in (self, *above)}:
            problems["parent"] = [_("A tag can't be its own parent.")]
        elif len(above) >= DEEPEST:
            problems["parent"] = [_("Tags can be nested at most %(most)s levels deep.") % {"most": DEEPEST}]
        if problems:
            raise ValidationError(problems)

    def refuse_commas(self) -> None:
        """Raise ValidationError for names with commas, which separate tags."""
        text = _("A tag can't contain a comma, because commas separate tags.")
        if problems := {name: text for name in ("name", "english", "korean") if "," in getattr(self, name)}:
            raise ValidationError(problems)


def lock_vocabulary() -> None:
    """Lock tag names exclusively until the transaction ends: a new name is compared with all others."""
    execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def names_taken(except_for: int | None = None) -> dict[str, str]:
    """Return all names of tags, case-folded, each with the name of its tag."""
    taken: dict[str, str] = {}
    for tag in VocabularyTag.objects.order_by("pk"):
        for name in tag.names if tag.pk != except_for else ():
            taken.setdefault(name.casefold(), tag.name)
    return taken


class TagVector(models.Model):
    """The vector of a tag's phrase by a pair of models, and how far pictures have been compared with it.

    Pictures with arrival numbers up to `compared` were compared, with the calibration of `calibrated`; 0 means that
    all are compared again. There are suggestions down to the similarity `reached`; those from `threshold` on, which
    people's decisions adjust, are shown. `strong`, `related` and `spread` are from the calibration
    (`search.tagging.suggestion_threshold`).
    """

    tag = models.ForeignKey(VocabularyTag, on_delete=models.CASCADE, related_name="vectors")
    model = models.CharField(max_length=300)
    text_model = models.CharField(max_length=1000)
    phrase = LineField(max_length=LONGEST_PHRASE)
    embedding = HalfVectorField()
    compared = models.BigIntegerField(default=0, db_default=0)
    calibrated = models.DateTimeField(null=True)
    strong = models.FloatField(null=True)
    related = models.FloatField(null=True)
    spread = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    reached = models.FloatField(null=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tag", "model", "text_model"], name="tag_vector_of_each_pair")
        ]

    def __str__(self) -> str:
        return self.phrase


class TagSuggestion(models.Model):
    """A tag that may fit a picture, or a person's final decision about it.

    `similarity` is by the models that compared it last; None if never compared. `was_rejected` means that the picture
    later got the tag nevertheless. The database deletes these rows with their picture and with their tag, and updates
    them when the picture's id changes.
    """

    class State(models.TextChoices):
        PENDING = "pending", gettext_lazy("Pending")
        ACCEPTED = "accepted", gettext_lazy("Accepted")
        REJECTED = "rejected", gettext_lazy("Rejected")

    pk = models.CompositePrimaryKey("tag", "image")
    tag = models.ForeignKey(
        VocabularyTag, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="suggestions"
    )
    image = models.ForeignKey(Image, on_delete=models.DO_NOTHING, db_constraint=False, related_name="tag_suggestions")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING, db_default=State.PENDING)
    similarity = models.FloatField(null=True)
    created = models.DateTimeField(db_default=Now())
    decided = models.DateTimeField(null=True)
    was_rejected = models.BooleanField(default=False, db_default=False)
    by = user_key(db_index=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(
                fields=["tag", "-similarity", "image"],
                condition=models.Q(state="pending"),
                name="tag_suggestion_pending",
            ),
            models.Index(
                fields=["tag", "-decided"], condition=~models.Q(state="pending"), name="tag_suggestion_decided"
            ),
            models.Index(fields=["by"], condition=models.Q(by__isnull=False), name="tag_suggestion_by"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "accepted", "rejected"]), name="tag_suggestion_state_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tag_id}, {self.image_id}: {self.state}"
