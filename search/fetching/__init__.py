"""Pictures from the web: from addresses that strangers give, and from those in the tables of an operator."""

from search.fetching.errors import NotDownloaded, RefusedAddress
from search.fetching.searching import fetch_picture, may_search_by_address

__all__ = ["NotDownloaded", "RefusedAddress", "fetch_picture", "may_search_by_address"]
