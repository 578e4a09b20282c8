"""In what order pictures became visible: what saved searches, feeds and pages go by. The database writes all of it.

A moment can't tell: a transaction that began before somebody looked, and ends afterwards, brings rows with an earlier
one. Numbers are given at the very end of each transaction, by one at a time: who sees a number sees all smaller ones.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import connection, models
from django.utils import timezone

from search.models.image import Image

_TRIGGERS = (
    "image_arrives, image_is_shown, image_changes, image_goes, capture_comes, capture_changes, album_changes, "
    "tag_comes_or_goes, tag_changes, image_has_colours, palette_changes"
)

OLDEST_MOMENT = 10**9
"""Addresses of older versions name a moment in Unix seconds where they name a number now. No number is so large."""


class Arrival(models.Model):
    """When a picture came to be seen last, by numbers that only grow; hidden ones keep theirs until they are shown.

    `searchable` is None while it waits for its vector. Written by triggers alone (migration 0011).
    """

    # Without a constraint of Django's: the database's own deletes these rows with their pictures.
    image = models.OneToOneField(
        Image, primary_key=True, on_delete=models.DO_NOTHING, related_name="arrival", db_constraint=False
    )
    shown = models.BigIntegerField(unique=True)
    searchable = models.BigIntegerField(unique=True, null=True)
    moment = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.shown}: {self.image_id}"

    @classmethod
    def number_at(cls, moment: dt.datetime) -> int:
        """Return the number that was the last at `moment`."""
        found = cls.objects.filter(moment__lte=moment).aggregate(
            last=models.Max("shown"), found=models.Max("searchable")
        )
        return max(found["last"] or 0, found["found"] or 0)

    @classmethod
    def moment_of(cls, number: int) -> dt.datetime:
        """Return when the last one up to `number` was shown; now, where there is none."""
        moments = cls.objects.filter(shown__lte=number).order_by("-shown").values_list("moment", flat=True)
        return moments.first() or timezone.now()


class Change(models.Model):
    """The number of the last change by which fewer pictures, or others, may be found: one row, written by triggers."""

    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class State:
    """The collection as it is seen now: the number of the last arrival, and of the last change."""

    arrived: int
    changed: int


ARRIVED_SQL = "(SELECT greatest(max(shown), max(searchable), 0) FROM search_arrival)"
CHANGED_SQL = "(SELECT coalesce(max(number), 0) FROM search_change)"


def state() -> State:
    """Return how far the collection is. Whatever is asked afterwards sees at least all of that."""
    with connection.cursor() as cursor:
        # In one round trip.
        cursor.execute(f"{_settling()}SELECT {ARRIVED_SQL}, {CHANGED_SQL}")
        while cursor.nextset():
            pass
        return State(*cursor.fetchone())


def _settling() -> str:
    """Within a transaction, have what it did itself numbered now and not at its end."""
    if not connection.in_atomic_block:
        return ""
    return (
        f"SET CONSTRAINTS {_TRIGGERS} IMMEDIATE; SET CONSTRAINTS {_TRIGGERS} DEFERRED;"
        " SELECT set_config('search.changed', '', true); "
    )
