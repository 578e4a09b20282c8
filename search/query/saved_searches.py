"""Saved searches: conversion between queries and rows (`search.models.saved_searches`). What is new for one:
`search.retrieval.new_matches`."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import QueryDict
from django.utils.translation import gettext as _

from search.models import QueryPicture, SavedSearch
from search.models.arrivals import state
from search.models.saved_searches import LONGEST_NAME, LONGEST_QUERY
from search.query.errors import BadQuery, NoSuchQuery
from search.query.query import SearchQuery
from search.query.query_parts import Kind
from search.query.viewer import asker
from search.text.normalization import normalised_text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_SAVED = 50
"""Maximum saved searches per account."""
LONGEST_ADDRESS = 16_000
"""Maximum characters of a redirect's URL: Django's own limit is 16,384."""


def read_query(address: str) -> SearchQuery:
    """Return the query of a URL's query string. Raises BadQuery."""
    if len(address) > LONGEST_QUERY:
        raise BadQuery(_("This search is too long to be saved."))
    query = SearchQuery.from_params(QueryDict(address))
    _refuse_places(query)
    return query


def can_be_saved(query: SearchQuery) -> bool:
    """Whether the results are public, as its feed is for all who have its URL, and whether new ones can be determined:
    map groups change with each map."""
    return not query.all_filters.finds_hidden and query.filters.group is None and not _reveals_places(query)


def _reveals_places(query: SearchQuery) -> bool:
    return query.all_filters.is_by_place and settings.SHOW_PLACES != "everyone"


def _refuse_places(query: SearchQuery) -> None:
    """Raise BadQuery for a search by place. Searches saved while everyone might see places are refused too once the
    setting has changed."""
    if _reveals_places(query):
        raise BadQuery(_("A search by location can't be saved."))


def address_of(query: SearchQuery) -> str:
    """Return the query string under which a search is saved: without how much of it a page shows."""
    return query.replace(all_shown=False).to_url()


def is_saved(user: "User", query: SearchQuery) -> bool:
    """Whether `user` has saved this search."""
    return SavedSearch.objects.filter(user=user, query=address_of(query)).exists()


@transaction.atomic
def save_search(user: "User", query: SearchQuery, name: str = "") -> tuple[SavedSearch, bool]:
    """Save a search; return it and whether it is new. An existing one is not changed.

    Raises BadQuery if it is too long or exceeds MOST_SAVED, and NoSuchQuery for a picture that is no longer stored.
    """
    _refuse_places(query)
    if query.all_filters.finds_hidden:
        raise BadQuery(_("A search for hidden pictures can't be saved."))
    if query.filters.group is not None:
        raise BadQuery(
            _("A search within a group of the map can't be saved, because groups change with each new map.")
        )
    # Locked, so that concurrent requests are counted one after the other.
    get_user_model().objects.select_for_update().get(pk=user.pk)
    address = address_of(query)
    if len(address) > LONGEST_ADDRESS:
        raise BadQuery(_("This search is too long to be saved."))
    saved_before = SavedSearch.objects.filter(user=user)
    known = saved_before.filter(query=address).first()
    if known:
        return known, False
    if saved_before.count() >= MOST_SAVED:
        raise BadQuery(
            _("You have reached the limit of %(limit)s saved searches. Delete one to save another.")
            % {"limit": MOST_SAVED}
        )
    pictures = _pictures(query)
    saved = SavedSearch.objects.create(
        user=user, query=address, name=clean_name(name) or _name_of(query), told_to=state().arrived
    )
    saved.pictures.set(pictures)
    return saved, True


def clean_name(name: str) -> str:
    """Return a name as stored: on one line, of limited length; "" if it is blank."""
    return normalised_text(name[: 10 * LONGEST_NAME])[:LONGEST_NAME].strip()


def _pictures(query: SearchQuery) -> list[QueryPicture]:
    asked = [part.value for part in query.parts if part.kind is Kind.PICTURE]
    pictures = list(QueryPicture.kept().filter(pk__in=asked).only("id"))
    if len(pictures) < len(asked):
        raise NoSuchQuery(_("The picture of this search has expired. Upload it again to search by it."))
    return pictures


def _name_of(query: SearchQuery) -> str:
    if query.words:
        return clean_name(query.words)
    titles = {str(key): title for key, title in asker().albums.items()} if query.filters.albums else {}
    values = (titles.get(value, value) if name == "album" else value for name, value in query.filters.to_params())
    filtered = clean_name(", ".join(values))
    return filtered or (_("All new pictures") if query.is_empty else _("Similar pictures"))
