"""All results of a search, not by pages: for curators, who list and change them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from search.models import Image
from search.query.filters import Hidden
from search.query.query import Minimum, Mode, SearchQuery
from search.retrieval.results import part_of
from search.retrieval.search import Search
from search.retrieval.search_scope import Scope

MOST_LISTED = 1_000
"""Number of nearest results listed: further ones resemble nothing in the query."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Images, best first, with only `id`, similarity and band loaded; and how many the search ranks in all."""

    images: Sequence[Image]
    found: int


def has_matches(query: SearchQuery) -> bool:
    """Whether `query` divides its results into matches and others; otherwise all that pass its filters are results."""
    return not query.is_empty and query.minimum is Minimum.ANY and query.mode is not Mode.WORDS


def best_of(query: SearchQuery, most: int = MOST_LISTED, among: Sequence[uuid.UUID] | None = None) -> Listing:
    """Return the first `most` results of `query`, including hidden ones unless it says otherwise; with `among`, of
    these images only.

    Raises what `find` raises.
    """
    search = Search(with_hidden(query), among=among, listed=most)
    segments = search.segments()
    return Listing(part_of(segments, 0, most), sum(segment.count for segment in segments))


def all_ids(query: SearchQuery) -> list[uuid.UUID]:
    """Return the ids of all results of `query`, best first. Raises what `find` raises."""
    query = query.replace()
    if query.is_empty:
        return list(Scope(query, private=True).images.order_by("pk").values_list("pk", flat=True))
    return [image_id for segment in Search(query).segments() if segment.count for image_id in segment.ids()]


def with_hidden(query: SearchQuery) -> SearchQuery:
    """Return `query` including hidden pictures, unless it has a filter for them."""
    if query.all_filters.hidden is not None:
        return query
    return query.replace(filters=replace(query.filters, hidden=Hidden.WITH))
