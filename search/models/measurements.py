"""Periodic measurements of the collection, which take too long to be made on demand."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from search.models.image import Image
from search.models.references import image_key


class Measurement(models.Model):
    """The last check of a kind (`search.state.periodic_checks`): its result, when it ended and how long it took.

    A failed check keeps the previous result, with the reason as `failed` and the time as `tried`.
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
    """A picture of which the last check of the storage found a file missing.

    The database deletes these rows with their picture, and updates them when its id changes.
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
    """Cosine similarity to the nearest other picture, by the vectors of one set. `is_outlier` if it is unusually low
    for this collection.
    """

    image = image_key("isolation")
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
    """Statistics of the searches of a day in UTC: totals of all users.

    `unmeasured` are searches for which it is unknown whether anything matched strongly.
    """

    day = models.DateField(primary_key=True)
    searches = models.PositiveBigIntegerField(default=0)
    nothing_strong = models.PositiveBigIntegerField(default=0)
    unmeasured = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    slow = models.PositiveBigIntegerField(default=0)
    slowest = models.FloatField(default=0)
    # The kinds of query, such as "words", "picture", "filters"; never their content.
    slowest_by = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-day"]

    def __str__(self) -> str:
        return f"{self.day}: {self.searches}"


class UnansweredWords(models.Model):
    """Queries without a strong match, if KEEP_UNANSWERED is on; without users."""

    words = models.CharField(max_length=200, primary_key=True)
    count = models.PositiveIntegerField(default=0)
    last = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["last"], name="unanswered_age")]

    def __str__(self) -> str:
        return self.words
