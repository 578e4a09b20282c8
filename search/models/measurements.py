"""What was measured of the collection, and when: it takes too long to be asked each time somebody looks."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from search.models.image import Image


class Measurement(models.Model):
    """The last look of a kind (`search.state.periodic_checks`): what it found, when it ended and how long it took.

    A look that failed leaves what was found before, with why it `failed` and when it was `tried`.
    """

    name = models.CharField(max_length=20, primary_key=True)
    found = models.JSONField(null=True)
    measured = models.DateTimeField(null=True)
    seconds = models.FloatField(default=0)
    tried = models.DateTimeField(db_default=Now())
    failed = models.TextField(blank=True, default="", db_default="")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class LostObject(models.Model):
    """A picture of which the last look through the storage missed a file.

    The database deletes these rows with their picture, and changes them with its id.
    """

    class Kind(models.TextChoices):
        ORIGINAL = "original"
        THUMBNAIL = "thumbnail"

    image = models.ForeignKey(Image, on_delete=models.DO_NOTHING, db_constraint=False, related_name="lost_objects")
    kind = models.CharField(max_length=9, choices=Kind)
    remark = models.TextField(blank=True, default="")

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["image", "kind"], name="lost_object_once")]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.kind}"


class Isolation(models.Model):
    """How near the nearest other picture is, by the vectors of one set: cosine similarity. `is_outlier` for those that
    are far from all others, as told by how near pictures of this collection are to each other.

    The database deletes these rows with their picture, and changes them with its id.
    """

    image = models.OneToOneField(
        Image, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="isolation"
    )
    set_id = models.IntegerField()
    similarity = models.FloatField()
    is_outlier = models.BooleanField(default=False, db_default=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["image"], condition=models.Q(is_outlier=True), name="isolation_outliers"),
            models.Index(fields=["set_id", "similarity"], name="isolation_farthest"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.similarity:.2f}"


class SearchDay(models.Model):
    """How many searches a day had, in UTC: numbers alone, of all people together.

    `unmeasured` are searches of which nobody could tell whether anything matched strongly.
    """

    day = models.DateField(primary_key=True)
    searches = models.PositiveBigIntegerField(default=0)
    nothing_strong = models.PositiveBigIntegerField(default=0)
    unmeasured = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    slow = models.PositiveBigIntegerField(default=0)
    slowest = models.FloatField(default=0)
    # By what it searched: "words", "picture", "filters" ..., never what.
    slowest_by = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-day"]

    def __str__(self) -> str:
        return f"{self.day}: {self.searches}"


class UnansweredWords(models.Model):
    """Words that found nothing strong, where KEEP_UNANSWERED is on: nobody is named."""

    words = models.CharField(max_length=200, primary_key=True)
    count = models.PositiveIntegerField(default=0)
    last = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["last"], name="unanswered_age")]

    def __str__(self) -> str:
        return self.words
