"""The timeline: images by time of taking, newest first, in pages that can begin at any month."""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet

from search.facets.filter_counts import CACHED_FOR
from search.facets.months import month_of_taking
from search.models import Capture, Image, Private
from search.models.arrivals import state
from search.models.querysets import ImageQuerySet
from search.query.date_spans import month_of, read_span
from search.query.filter_sql import Mine, visible
from search.query.viewer import asker

PER_PAGE = 60


@dataclass(frozen=True, slots=True)
class Place:
    """The last image of a page, from which the next page continues."""

    taken: dt.datetime
    id: uuid.UUID

    @classmethod
    def read(cls, text: str) -> Self | None:
        taken, _comma, key = text.partition(",")
        try:
            moment, image_id = dt.datetime.fromisoformat(taken), uuid.UUID(key)
        except ValueError:
            return None
        return None if moment.tzinfo else cls(moment, image_id)

    def __str__(self) -> str:
        return f"{self.taken.isoformat()},{self.id}"


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """`sections` are the months of this page, as (first day, images). `behind` is the last image, None on the last
    page."""

    sections: Sequence[tuple[dt.date, Sequence[Image]]]
    behind: Place | None


def months_with_pictures() -> dict[dt.date, int]:
    """Return how many images visible to the user were taken in each month, by its first day, newest first.

    Public ones are counted from the capture index, minus the few hidden ones, which is ten times faster than counting
    images; cached until the collection changes. Private ones are added each time.
    """
    now = state()
    months: dict[dt.date, int] = (
        cache.get_or_set(f"timeline:{now.arrived}:{now.changed}", _count_of_all, CACHED_FOR) or {}
    )
    if not asker().sees_private:
        return months
    private = _count_months(Capture.objects.filter(image__in=Private.objects.seen_by(asker().user.pk).values("pk")))
    days = sorted(months.keys() | private.keys(), reverse=True)
    return {day: months.get(day, 0) + private.get(day, 0) for day in days}


def _count_of_all() -> dict[dt.date, int]:
    hidden = Image.objects.filter(hidden=True).values("pk")
    return _count_months(Capture.objects.exclude(pk__in=hidden))


def _count_months(captures: "QuerySet[Capture]") -> dict[dt.date, int]:
    months = captures.filter(taken__isnull=False)
    found = (
        months.annotate(month=month_of_taking("taken"))
        .values_list("month")
        .annotate(count=Count("*"))
        .order_by("-month")
    )
    return {month.date(): count for month, count in found}


def read_month(text: str) -> dt.date | None:
    """Return the first day of the month in `text`; for a year, of its last month."""
    span = read_span(text)
    return span.last.replace(day=1) if span and span.last else None


def taken_up_to(month: dt.date | None, behind: Place | None = None) -> TimelinePage:
    """Return the page that begins with the last image taken in `month`, or with the newest; or the page that continues
    `behind` an image."""
    images = _dated(Image.objects.for_lists())
    if behind:
        later = Q(capture__taken__lt=behind.taken) | Q(pk__lt=behind.id)
        images = images.filter(later, capture__taken__lte=behind.taken)
    elif month:
        last = month_of(month.year, month.month).last
        images = images.filter(capture__taken__lt=dt.datetime.combine(last or month, dt.time()) + dt.timedelta(days=1))
    found = list(images.select_related("capture").order_by("-capture__taken", "-id")[: PER_PAGE + 1])
    more, found = len(found) > PER_PAGE, found[:PER_PAGE]
    place = Place(found[-1].capture.taken, found[-1].id) if more else None
    return TimelinePage(list(_by_month(found)), place)


def in_time(image_id: uuid.UUID, taken: dt.datetime) -> tuple[uuid.UUID | None, uuid.UUID | None]:
    """Return the ids of the previous (later) and next (earlier) image on the timeline; None at an end."""
    dated = _dated(Image.objects.all())
    later = dated.filter(Q(capture__taken__gt=taken) | Q(capture__taken=taken, pk__gt=image_id))
    earlier = dated.filter(Q(capture__taken__lt=taken) | Q(capture__taken=taken, pk__lt=image_id))
    return (
        later.order_by("capture__taken", "id").values_list("pk", flat=True).first(),
        earlier.order_by("-capture__taken", "-id").values_list("pk", flat=True).first(),
    )


def _dated(images: ImageQuerySet) -> ImageQuerySet:
    """Return the dated images that the user may see."""
    hidden = Mine(asker().user.pk) if asker().sees_private else None
    return visible(images, hidden).filter(capture__taken__isnull=False)


def _by_month(images: Sequence[Image]) -> Iterator[tuple[dt.date, list[Image]]]:
    for month, taken_then in groupby(images, key=lambda image: image.capture.taken.date().replace(day=1)):
        yield month, list(taken_then)
