"""From a query to a page of results: which rows may be found, how they are scanned, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.core.cache import cache
from django.db import connection, transaction
from django.utils.translation import gettext as _

from search.embedding import active_model, text_vector
from search.models import Image
from search.querying.pictures import picture_vector
from search.querying.query import NoSuchQuery, SearchQuery
from search.querysets import ImageQuerySet

PER_PAGE = 24

EXACT_BELOW = 5_000
"""With fewer searchable rows than this a scan of them all takes a few milliseconds and misses nothing."""
EXACT_BEYOND = 1_000
"""Results further down than this come from a scan of all rows: the walk through the index grows with each page, and
stops short of the last ones."""
SCAN_ALL_ROWS = "SET LOCAL enable_indexscan = off"
WALK_THE_INDEX = "SET LOCAL enable_sort = off"
"""The planner does not know when the walk is complete, and with old statistics takes a scan for cheaper than it is."""
COUNT_REMEMBERED_FROM = 100_000
COUNT_REMEMBERED = 60
"""Counting so many rows takes longer than finding 24 of them: their number may be this many seconds old."""


@dataclass(frozen=True)
class ResultPage:
    """One page of images, nearest first, and how many images the whole search ranks."""

    query: SearchQuery
    images: Sequence[Image]
    found: int

    @cached_property
    def pages(self) -> int:
        return max(1, -(-self.found // PER_PAGE))

    @property
    def next(self) -> SearchQuery | None:
        return self.query.on_page(self.query.page + 1) if self.query.page < self.pages else None

    @property
    def previous(self) -> SearchQuery | None:
        return self.query.on_page(min(self.query.page - 1, self.pages)) if self.query.page > 1 else None

    @property
    def is_past_the_end(self) -> bool:
        return self.query.page > self.pages


def find(query: SearchQuery) -> ResultPage:
    """Return the page of results that `query` asks for; for an empty query, the newest images.

    Raises NoSuchQuery for a picture or an image that is not there, and ModelUnavailable.
    """
    images = Image.objects.for_lists()
    if query.is_empty:
        found, newest = _count(images.shown(), "shown"), images.shown().newest()
        return ResultPage(query, _page_of(newest, query.page, found), found)
    found, ranked = _ranked(images.searchable(active_model()), query)
    exact = found < EXACT_BELOW or query.page * PER_PAGE > EXACT_BEYOND
    return ResultPage(query, _page_of(ranked, query.page, found, SCAN_ALL_ROWS if exact else WALK_THE_INDEX), found)


def similar_images(image: Image, count: int) -> list[Image]:
    """Return the `count` images nearest to `image`, without itself; none when another model made its vector."""
    if image.embedding_model != active_model():
        return []
    searchable = Image.objects.for_lists().searchable(active_model())
    return list(searchable.similar_to(image)[:count])


def _ranked(searchable: ImageQuerySet, query: SearchQuery) -> tuple[int, ImageQuerySet]:
    found = _count(searchable, f"searchable:{active_model()}")
    if query.like:
        image = Image.objects.searchable(active_model()).filter(pk=query.like).first()
        if image is None:
            raise NoSuchQuery(
                _("This picture can't be searched by: it was removed, is hidden, or no vector is there yet.")
            )
        return found - 1, searchable.similar_to(image)
    vector = picture_vector(query.picture) if query.picture else text_vector(query.words)
    return found, searchable.nearest_to(vector)


def _count(images: ImageQuerySet, name: str) -> int:
    remembered: int | None = cache.get(f"count:{name}")
    if remembered is not None:
        return remembered
    count = images.count()
    if count >= COUNT_REMEMBERED_FROM:
        cache.set(f"count:{name}", count, COUNT_REMEMBERED)
    return count


def _page_of(images: ImageQuerySet, page: int, found: int, plan: str = "") -> list[Image]:
    start = (page - 1) * PER_PAGE
    if start >= found:
        return []
    wanted = images[start : start + PER_PAGE]
    if not plan:
        return list(wanted)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(plan)
        return list(wanted)
