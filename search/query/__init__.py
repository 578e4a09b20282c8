"""A search as an immutable value: parts, filters, order and threshold, parsed from a URL, a form or typed text.

Its SQL is that of filters, its vectors those of query pictures. Imports `text`, `places`, `imaging`, `monitoring`,
`decoding`, `models`, `objects` and `embedding`. Verbs: `SearchQuery.from_params`, `SearchQuery.to_url`,
`Filters.apply`, `remember_picture`, `saved.save_search`.
"""

from search.query.errors import BadQuery, NoSuchQuery
from search.query.filters import Filters
from search.query.query import Minimum, Mode, SearchQuery, Sort
from search.query.query_parts import MAX_PARTS, Kind, Part
from search.query.query_pictures import remember_picture
from search.query.regions import Region, crops_of, remember_region

__all__ = [
    "MAX_PARTS",
    "BadQuery",
    "Filters",
    "Kind",
    "Minimum",
    "Mode",
    "NoSuchQuery",
    "Part",
    "Region",
    "SearchQuery",
    "Sort",
    "crops_of",
    "remember_picture",
    "remember_region",
]
