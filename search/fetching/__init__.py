"""Pictures from the web: from addresses that strangers give, and from those in the tables of an operator."""

from search.fetching.downloads import Downloads, NotDownloaded
from search.fetching.errors import RefusedAddress
from search.fetching.fetch import fetch_picture, may_search_by_address

__all__ = ["Downloads", "NotDownloaded", "RefusedAddress", "fetch_picture", "may_search_by_address"]
