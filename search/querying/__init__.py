"""What was asked, as a value that round-trips through the address, and what is found for it."""

from search.querying.easing import WayOut, ways_out, ways_to_matches
from search.querying.errors import BadQuery, NoSuchQuery
from search.querying.examples import example_queries, example_query
from search.querying.facets import Choice, Facet, chosen_of, facets_of, place_label
from search.querying.filters import Filters
from search.querying.finding import find, similar_images
from search.querying.parts import MAX_PARTS, Kind, Part
from search.querying.pictures import remember_picture
from search.querying.query import Minimum, Mode, SearchQuery, Sort
from search.querying.regions import Region, remember_region
from search.querying.relevance import Band
from search.querying.results import PER_PAGE, ResultPage
from search.querying.spelling import did_you_mean
from search.querying.suggestions import Suggestion, suggest

__all__ = [
    "MAX_PARTS",
    "PER_PAGE",
    "BadQuery",
    "Band",
    "Choice",
    "Facet",
    "Filters",
    "Kind",
    "Minimum",
    "Mode",
    "NoSuchQuery",
    "Part",
    "Region",
    "ResultPage",
    "SearchQuery",
    "Sort",
    "Suggestion",
    "WayOut",
    "chosen_of",
    "did_you_mean",
    "example_queries",
    "example_query",
    "facets_of",
    "find",
    "place_label",
    "remember_picture",
    "remember_region",
    "similar_images",
    "suggest",
    "ways_out",
    "ways_to_matches",
]
