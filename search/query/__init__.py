"""A search as a value: its parts, filters, order and threshold, read from an address, a form or the box.

What it knows of SQL are the conditions of its filters. It never asks for a vector.
"""

from search.query.errors import BadQuery, NoSuchQuery
from search.query.filters import Filters
from search.query.parts import MAX_PARTS, Kind, Part
from search.query.query import Minimum, Mode, SearchQuery, Sort
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
