"""What was asked, as a value that round-trips through the address, and what is found for it."""

from search.querying.examples import example_query
from search.querying.finding import PER_PAGE, ResultPage, find, similar_images
from search.querying.pictures import remember_picture
from search.querying.query import BadQuery, NoSuchQuery, SearchQuery

__all__ = [
    "PER_PAGE",
    "BadQuery",
    "NoSuchQuery",
    "ResultPage",
    "SearchQuery",
    "example_query",
    "find",
    "remember_picture",
    "similar_images",
]
