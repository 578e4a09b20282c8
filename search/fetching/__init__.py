"""Downloads of pictures: from URLs of untrusted users, to search by, and from those in an operator's tables.

Imports `imaging`. Verbs: `fetch_picture` (one, with strict limits), `downloads.Downloads.get` (many, with retries).
"""

from search.fetching.errors import NotDownloaded, RefusedAddress
from search.fetching.search_by_url import fetch_picture, may_search_by_address

__all__ = ["NotDownloaded", "RefusedAddress", "fetch_picture", "may_search_by_address"]
