"""Which of the pictures that were added lately match a search: for saved searches and their feeds."""

import datetime as dt

from search.models import Image
from search.querying.finding import find_newer
from search.querying.query import SearchQuery

CANDIDATES = 4_000
"""Of what was added, the newest so many are looked at and no more: a page of fifty saved searches stays cheap on the
day after a hundred thousand pictures came in, and each of them is measured exactly."""


def new_matches(query: SearchQuery, since: dt.datetime, limit: int) -> list[Image]:
    """Return the newest `limit` of the images that were added after `since` and match `query`, newest first.

    For an empty query every image matches. Raises BadQuery and ModelUnavailable as `find` does.
    """
    oldest = Image.objects.shown().newest().values_list("created", flat=True)[CANDIDATES : CANDIDATES + 1].first()
    return find_newer(query, max(since, oldest or since), limit)
