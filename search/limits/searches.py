"""Limit searches by texts that are not in the cache, since each runs a model."""

from collections.abc import Iterable

from django.http import HttpRequest

from search.embedding import is_remembered
from search.limits.clients import address_of, counting_key, identifies_visitor
from search.limits.counting import count


def count_search(request: HttpRequest, texts: Iterable[str]) -> None:
    """Count an anonymous search by these texts, unless all are cached. Raises TooMany.

    Requests from this machine, or through a proxy that reports no client, are not counted: all visitors would share
    one count.
    """
    if request.user.is_authenticated or not identifies_visitor(address_of(request)):
        return
    if not all(map(is_remembered, texts)):
        count({"SEARCHES": counting_key(request)})
