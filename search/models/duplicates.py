"""Duplicates: perceptual hashes, and pairs with people's decisions."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Greatest, Least, Now
from django.utils.translation import gettext_lazy as _

from search.models.image import Image
from search.models.references import image_key, user_key


class Fingerprint(models.Model):
    """The perceptual hash of a picture (`search.imaging.perceptual_hash`), None for a flat one, and whether `manage.py
    find_duplicates` has compared it.
    """

    image = image_key("fingerprint")
    perceptual = models.BigIntegerField(null=True, editable=False)
    is_compared = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["image"], condition=models.Q(is_compared=False), name="fingerprint_not_compared"),
            models.Index(
                fields=["perceptual"], condition=models.Q(perceptual__isnull=False), name="fingerprint_perceptual"
            ),
        ]

    def __str__(self) -> str:
        return str(self.image_id)


class DuplicatePair(models.Model):
    """Two pictures that are the same, or similar shots of one scene, or that a person has declared different.

    The order of the two has no meaning. The database deletes these rows with either picture, and updates them when its
    id changes.
    """

    class Kind(models.TextChoices):
        SAME = "same", _("Same picture")
        SIMILAR = "similar", _("Similar shots")

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        SETTLED = "settled", _("Settled")
        DIFFERENT = "different", _("Not the same")

    first = models.ForeignKey(
        Image, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="pairs_as_first"
    )
    second = models.ForeignKey(
        Image, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="pairs_as_second"
    )
    kind = models.CharField(max_length=7, choices=Kind, editable=False)
    state = models.CharField(max_length=9, choices=State, default=State.PENDING, editable=False)
    # Evidence: equal pixels, Hamming distance of the hashes, matching keypoints.
    is_exact = models.BooleanField(default=False, editable=False)
    bits = models.SmallIntegerField(null=True, editable=False)
    points = models.SmallIntegerField(null=True, editable=False)
    similarity = models.FloatField(null=True, editable=False)
    created = models.DateTimeField(db_default=Now(), editable=False)
    decided = models.DateTimeField(null=True, editable=False)
    by = user_key(editable=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["first"], name="duplicate_first"),
            models.Index(fields=["second"], name="duplicate_second"),
            models.Index(fields=["kind", "id"], condition=models.Q(state="pending"), name="duplicate_pending"),
        ]
        constraints: ClassVar = [
            # Ids change with files, so a fixed order of the two could not be maintained.
            models.UniqueConstraint(Least("first", "second"), Greatest("first", "second"), name="duplicate_pair_once"),
            models.CheckConstraint(condition=~models.Q(first=models.F("second")), name="duplicate_pair_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id}, {self.second_id}: {self.state}"
