"""Pictures from addresses that strangers give, fetched from public web servers alone."""

from search.fetching.errors import RefusedAddress
from search.fetching.fetch import fetch_picture, may_search_by_address

__all__ = ["RefusedAddress", "fetch_picture", "may_search_by_address"]
