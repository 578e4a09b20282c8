"""Searches by words that nobody has searched for lately, each of which takes a model."""

from collections.abc import Iterable

from django.http import HttpRequest

from search.embedding import is_remembered
from search.limits.clients import address_of, is_telling, who_asks
from search.limits.counting import count


def count_search(request: HttpRequest, texts: Iterable[str]) -> None:
    """Count a stranger's search by these words, unless all of them are remembered. Raises TooMany.

    What comes from this machine, or through a proxy that doesn't say for whom, is not counted: all visitors together
    would soon be too many.
    """
    if request.user.is_authenticated or not is_telling(address_of(request)):
        return
    if not all(map(is_remembered, texts)):
        count({"SEARCHES": who_asks(request)})
