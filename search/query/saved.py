"""Searches that people keep: from a query to a row and back."""

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
from search.query.parts import Kind
from search.query.query import SearchQuery
from search.query.viewer import asker
from search.text.normalization import normalised_text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_SAVED = 50
"""Saved searches for each account."""
LONGEST_ADDRESS = 16_000
"""Characters of an address that is led back to: Django takes 16,384 for a redirect."""


def read_query(address: str) -> SearchQuery:
    """Return the query of an address's part after the question mark. Raises BadQuery."""
    if len(address) > LONGEST_QUERY:
        raise BadQuery(_("This search is too long to be saved."))
    query = SearchQuery.from_params(QueryDict(address))
    _refuse_places(query)
    return query


def can_be_saved(query: SearchQuery) -> bool:
    """Whether everybody may see what it finds, as whoever has the address of its feed may read it, and whether what is
    new can be told: groups of the map are others with each map."""
    return not query.all_filters.finds_hidden and query.filters.group is None and not _tells_places(query)


def _tells_places(query: SearchQuery) -> bool:
    return query.all_filters.is_by_place and settings.SHOW_PLACES != "everyone"


def _refuse_places(query: SearchQuery) -> None:
    """Raise BadQuery for a search by places. Those that were saved while everyone saw places say nothing any more once
    the setting is another."""
    if _tells_places(query):
        raise BadQuery(_("A search by place can't be saved."))


def address_of(query: SearchQuery) -> str:
    """Return the address under which a search is kept: how much of it a page shows is no part of it."""
    return query.replace(all_shown=False).to_url()


def is_saved(user: "User", query: SearchQuery) -> bool:
    """Whether `user` keeps this search."""
    return SavedSearch.objects.filter(user=user, query=address_of(query)).exists()


@transaction.atomic
def save_search(user: "User", query: SearchQuery, name: str = "") -> tuple[SavedSearch, bool]:
    """Keep a search; return it and whether it is new. A search that was saved before stays as it is.

    Raises BadQuery for one too long or one more than MOST_SAVED, and NoSuchQuery for a picture that is gone.
    """
    _refuse_places(query)
    if query.all_filters.finds_hidden:
        raise BadQuery(_("A search for hidden pictures can't be saved."))
    if query.filters.group is not None:
        raise BadQuery(_("A search within a group of the map can't be saved: groups are others with each new map."))
    # Locked, so that two at once are counted one after the other.
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
            _("You have %(limit)s saved searches, which is the most. Delete one to save another.")
            % {"limit": MOST_SAVED}
        )
    pictures = _pictures(query)
    saved = SavedSearch.objects.create(
        user=user, query=address, name=clean_name(name) or _name_of(query), told_to=state().arrived
    )
    saved.pictures.set(pictures)
    return saved, True


def clean_name(name: str) -> str:
    """Return a name as it is kept: in one line, of bounded length; empty for one that says nothing."""
    return normalised_text(name[: 10 * LONGEST_NAME])[:LONGEST_NAME].strip()


def _pictures(query: SearchQuery) -> list[QueryPicture]:
    asked = [part.value for part in query.parts if part.kind is Kind.PICTURE]
    pictures = list(QueryPicture.kept().filter(pk__in=asked).only("id"))
    if len(pictures) < len(asked):
        raise NoSuchQuery(_("The picture of this search is not kept any more. Show it again to search by it."))
    return pictures


def _name_of(query: SearchQuery) -> str:
    if query.words:
        return clean_name(query.words)
    titles = {str(key): title for key, title in asker().albums.items()} if query.filters.albums else {}
    values = (titles.get(value, value) if name == "album" else value for name, value in query.filters.to_params())
    filtered = clean_name(", ".join(values))
    return filtered or (_("All new pictures") if query.is_empty else _("Similar pictures"))
