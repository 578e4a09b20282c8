"""Arrival numbers: the order in which pictures became visible, for saved searches, feeds and result pages. All written
by the database.

A timestamp doesn't suffice: a transaction that began before a reader's query and commits after it adds rows with an
earlier one. Numbers are assigned at the very end of each transaction, under a lock: who sees a number sees all smaller
ones.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import connection, models
from django.utils import timezone

from search.models.foreign_keys import image_key

_TRIGGERS = (
    "image_arrives, image_is_shown, image_changes, image_goes, capture_comes, capture_changes, album_changes, "
    "tag_comes_or_goes, tag_changes, image_has_colours, palette_changes"
)

OLDEST_MOMENT = 10**9
"""Older versions put a Unix timestamp into URLs in place of the number. No number is so large."""


class Arrival(models.Model):
    """When a picture was last made visible, as increasing numbers; hidden pictures keep theirs until they are shown.

    `searchable` is None while its vector is pending. Written by triggers only (migration 0011).
    """

    image = image_key("arrival")
    shown = models.BigIntegerField(unique=True)
    searchable = models.BigIntegerField(unique=True, null=True)
    moment = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.shown}: {self.image_id}"

    @classmethod
    def number_at(cls, moment: dt.datetime) -> int:
        """Return the last number assigned by `moment`."""
        found = cls.objects.filter(moment__lte=moment).aggregate(
            last=models.Max("shown"), found=models.Max("searchable")
        )
        return max(found["last"] or 0, found["found"] or 0)

    @classmethod
    def moment_of(cls, number: int) -> dt.datetime:
        """Return when the last picture up to `number` was shown; now if there is none."""
        moments = cls.objects.filter(shown__lte=number).order_by("-shown").values_list("moment", flat=True)
        return moments.first() or timezone.now()


class Change(models.Model):
    """The number of the last change that may remove or alter search results: one row, written by triggers."""

    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class State:
    """The state of the collection: the numbers of the last arrival and of the last change."""

    arrived: int
    changed: int


ARRIVED_SQL = "(SELECT greatest(max(shown), max(searchable), 0) FROM search_arrival)"
CHANGED_SQL = "(SELECT coalesce(max(number), 0) FROM search_change)"


def state() -> State:
    """Return the current state. Later queries see at least all that it covers."""
    with connection.cursor() as cursor:
        # All in one round trip.
        cursor.execute(f"{_settling()}SELECT {ARRIVED_SQL}, {CHANGED_SQL}")
        while cursor.nextset():
            pass
        return State(*cursor.fetchone())


def _settling() -> str:
    """Return SQL that, within a transaction, assigns the numbers of its own changes now instead of at its end."""
    if not connection.in_atomic_block:
        return ""
    return (
        f"SET CONSTRAINTS {_TRIGGERS} IMMEDIATE; SET CONSTRAINTS {_TRIGGERS} DEFERRED;"
        " SELECT set_config('search.changed', '', true), set_config('search.change_queued', '', true); "
    )
