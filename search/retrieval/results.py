"""A page of results, and the segments that results consist of."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from django.utils.functional import cached_property

from search.facets.facets import Facet, facets_of
from search.facets.filter_counts import Counts
from search.models import Image
from search.models.arrivals import State
from search.query.anchors import Anchor
from search.query.query import SearchQuery
from search.relevance.band_thresholds import Band, Scale

PER_PAGE = 24


@dataclass(frozen=True)
class ResultPage:
    """One page of images, best first, and how many images the whole search ranks.

    Each image has its `similarity`, its `band`, and `by_words`: whether title, tags or description contain the words.
    `strong` is the number of strong matches, a lower bound if `strong_is_least`. `scale` is None while the collection
    is not calibrated. `places` exceeds `found` if rows are gone since the first page: others don't move up, or rows
    would be skipped. `ends_at` is the last row's place, if the next page can begin behind it. From page `copies_from`
    on, copies of earlier results follow. `at` is the state of the collection for this search.
    """

    query: SearchQuery
    images: Sequence[Image]
    found: int
    counts: Counts = field(repr=False)
    at: State = field(repr=False)
    scale: Scale | None = None
    strong: int = 0
    strong_is_least: bool = False
    asked_at: int = 0
    places: int | None = None
    copies_from: int | None = None
    ends_at: Anchor | None = None

    @cached_property
    def pages(self) -> int:
        places = self.found if self.places is None else self.places
        return max(1, -(-places // PER_PAGE))

    @cached_property
    def next(self) -> SearchQuery | None:
        if self.query.page >= self.pages:
            return None
        return replace(self.at_page(self.query.page + 1), after=self.ends_at)

    @cached_property
    def previous(self) -> SearchQuery | None:
        return self.at_page(min(self.query.page - 1, self.pages)) if self.query.page > 1 else None

    @property
    def first(self) -> int:
        """The rank of this page's first result in the whole search, from 1."""
        return (self.query.page - 1) * PER_PAGE + 1

    @property
    def is_past_the_end(self) -> bool:
        return self.query.page > self.pages

    def at_page(self, page: int, *, all_shown: bool | None = None) -> SearchQuery:
        """Return the query of another page of these results, as of the first page.

        The first page is always up to date. `all_shown` says whether results weaker than strong are shown.
        """
        shown = self.query.all_shown if all_shown is None else all_shown
        after = self.query.after if page == self.query.page else None
        return replace(self.query, page=page, seen=self.asked_at if page > 1 else None, after=after, all_shown=shown)

    @cached_property
    def sections(self) -> list[tuple[Band | None, list[Image]]]:
        """The images of this page by band; sorted by date, strong and related ones form one section without a band."""

        def section(image: Image) -> Band | None:
            band = Band(image.band) if image.band else None
            return None if self.query.sort.is_by_date and band is not Band.WEAK else band

        return [(band, list(images)) for band, images in groupby(self.images, key=section)]

    @cached_property
    def facets(self) -> list[Facet]:
        """The filters that everybody may use."""
        return self.facets_shown(places=False)

    def facets_shown(self, *, places: bool) -> list[Facet]:
        """The same; with `places`, including place filters."""
        return facets_of(self.query, self.counts, places=places)


class Behind(NamedTuple):
    """How a segment continues behind a row, whether that is still in it or not: the next rows, at most so many, and
    the anchor of a row. Places would skip a row for each one before them that was hidden or deleted meanwhile."""

    fetch: Callable[[Anchor, int], list[Image]]
    anchor_of: Callable[[Image], Anchor]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of the results: its number of places, and a function that returns the images in a range.

    `gone` places are empty, `gone_at_its_end` of them at the end. `behind` is for a last segment only. `ids` returns
    all ids of the segment, possibly in a cheaper order.
    """

    count: int
    fetch: Callable[[int, int], list[Image]]
    ids: Callable[[], list[uuid.UUID]]
    gone: int = 0
    gone_at_its_end: int = 0
    behind: Behind | None = None


def places_in(segments: Sequence[Segment]) -> int:
    """Return the number of places up to the last one that is not empty."""
    places = sum(segment.count for segment in segments)
    for segment in reversed(segments):
        places -= segment.gone_at_its_end
        if segment.gone_at_its_end < segment.count:
            break
    return places


def part_of(segments: Sequence[Segment], start: int, stop: int) -> list[Image]:
    """Return the images at places `start` to `stop` of the concatenated segments."""
    images: list[Image] = []
    for segment in segments:
        first, last = max(0, start), min(segment.count, stop)
        if first < last:
            images += segment.fetch(first, last)
        start, stop = start - segment.count, stop - segment.count
    return images


class Part(NamedTuple):
    """The images of a page, how many places there are at least, and the anchor of the last image, if there is any."""

    images: list[Image]
    places: int
    ends_at: Anchor | None


def page_of(segments: Sequence[Segment], start: int, after: Anchor | None) -> Part:
    """Return the page of the concatenated segments at place `start`, or behind `after` in the last of them."""
    *others, last = segments
    if last.behind and after:
        rows = last.behind.fetch(after, PER_PAGE + 1)
        images, there = rows[:PER_PAGE], start + max(1, len(rows))
        places = max(there, places_in(segments)) if len(rows) > PER_PAGE else there
        return Part(images, places, last.behind.anchor_of(images[-1]) if images else after)
    before, stop = sum(segment.count for segment in others), start + PER_PAGE
    at_the_end = part_of([last], start - before, stop - before)
    ends_at = last.behind.anchor_of(at_the_end[-1]) if last.behind and at_the_end else None
    return Part(part_of(others, start, stop) + at_the_end, places_in(segments), ends_at)
