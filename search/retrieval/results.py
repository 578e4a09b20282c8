"""A page of results, and the stretches that all results are made of."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from django.utils.functional import cached_property

from search.facets.counts import Counts
from search.facets.facets import Facet, facets_of
from search.models import Image
from search.models.arrivals import State
from search.query.query import SearchQuery
from search.relevance.bands import Band, Scale

PER_PAGE = 24


@dataclass(frozen=True)
class ResultPage:
    """One page of images, best first, and how many images the whole search ranks.

    Each image has its `similarity` to what is wanted, the `band` that this similarity lies in, and `by_words`, whether
    its title, tags or description hold what was written. `strong` counts the strong matches; where `strong_is_least`,
    there may be more. `scale` is None while the collection is too small for bands to mean anything. `places` are more
    than were `found` where some are gone since the first page: nobody moves up, or rows would be missed. From the page
    `copies_from` on follow copies of pictures that stand before. `at` is how far the collection was.
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

    @cached_property
    def pages(self) -> int:
        places = self.found if self.places is None else self.places
        return max(1, -(-places // PER_PAGE))

    @property
    def next(self) -> SearchQuery | None:
        return self.at_page(self.query.page + 1) if self.query.page < self.pages else None

    @property
    def previous(self) -> SearchQuery | None:
        return self.at_page(min(self.query.page - 1, self.pages)) if self.query.page > 1 else None

    @property
    def first(self) -> int:
        """Return which result of the whole search the first of this page is, from 1."""
        return (self.query.page - 1) * PER_PAGE + 1

    @property
    def is_past_the_end(self) -> bool:
        return self.query.page > self.pages

    def at_page(self, page: int, *, all_shown: bool | None = None) -> SearchQuery:
        """Return the query of another page of these results, as they were when the first one was asked for.

        The first page is always that of today. With `all_shown`, with or without all that is weaker than strong.
        """
        shown = self.query.all_shown if all_shown is None else all_shown
        return replace(self.query, page=page, seen=self.asked_at if page > 1 else None, all_shown=shown)

    @cached_property
    def sections(self) -> list[tuple[Band | None, list[Image]]]:
        """The images of this page by band. Sorted by date, strong and related ones stand together, without a band."""

        def section(image: Image) -> Band | None:
            band = Band(image.band) if image.band else None
            return None if self.query.sort.is_by_date and band is not Band.WEAK else band

        return [(band, list(images)) for band, images in groupby(self.images, key=section)]

    @cached_property
    def facets(self) -> list[Facet]:
        """The filters that everybody may choose from."""
        return self.facets_shown(places=False)

    def facets_shown(self, *, places: bool) -> list[Facet]:
        """The same, with those of `places` for those who may see them."""
        return facets_of(self.query, self.counts, places=places)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the results: how many places it has, and what stands from one to another.

    Some of the places are empty, their rows `gone`; `gone_at_its_end` of them with no other behind them. `ids` are of
    all that stands there, in an order that is had at once: what words find comes by its distance too.
    """

    count: int
    fetch: Callable[[int, int], list[Image]]
    ids: Callable[[], list[uuid.UUID]]
    gone: int = 0
    gone_at_its_end: int = 0


def places_in(segments: Sequence[Segment]) -> int:
    """How many places there are, up to the last that is not empty."""
    places = sum(segment.count for segment in segments)
    for segment in reversed(segments):
        places -= segment.gone_at_its_end
        if segment.gone_at_its_end < segment.count:
            break
    return places


def part_of(segments: Sequence[Segment], start: int, stop: int) -> list[Image]:
    """Return what stands from `start` to `stop` in the segments, one after the other."""
    images: list[Image] = []
    for segment in segments:
        first, last = max(0, start), min(segment.count, stop)
        if first < last:
            images += segment.fetch(first, last)
        start, stop = start - segment.count, stop - segment.count
    return images
