"""The options of the page of results: order, relevance bands and mode."""

from collections.abc import Iterable, Iterator

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.facets import Choice, Facet
from search.facets.filter_counts import Counts
from search.query import Minimum, Mode, SearchQuery, Sort
from search.retrieval import ResultPage

Option = tuple[str, str, bool]
"""Value of the parameter, "" for the default; label; whether it is chosen."""

DETAILS_COOKIE = "details"
MOST_WORDS = 4
LONGEST_WORDS = 32
_NEAREST_LOOKED_AT = 12


def details_shown(request: HttpRequest | None) -> bool:
    """Whether this browser shows names and similarities below the pictures."""
    return request is not None and request.COOKIES.get(DETAILS_COOKIE) == "1"


def orders_of(query: SearchQuery) -> list[Option]:
    """Return the sort orders of a search, its default first."""
    by_date = not query.wanted
    orders = {"": _own_order(query)}
    if not by_date:
        orders[Sort.FRESH] = _("Favour recent pictures")
        orders[Sort.NEWEST] = _("Newest first")
    if query.is_empty and query.all_filters.near:
        orders[Sort.NEAREST] = _("Nearest location first")
    orders |= {
        Sort.OLDEST: _("Oldest first"),
        Sort.TAKEN: _("Recently taken first"),
        Sort.TAKEN_OLDEST: _("First taken first"),
    }
    return _options(orders, query.sort)


def _own_order(query: SearchQuery) -> str:
    if not query.wanted:
        return _("Newest first")
    return _("Best match first") if query.mode is Mode.WORDS else _("Nearest first")


def bands_of(query: SearchQuery) -> list[Option]:
    """Return the choices of relevance bands."""
    bands = {
        "": _("Strong matches and a few others"),
        Minimum.ANY: _("All matches"),
        Minimum.RELATED: _("Strong and related"),
        Minimum.STRONG: _("Strong only"),
    }
    chosen = "" if query.minimum is Minimum.ANY and not query.all_shown else query.minimum
    return _options(bands, chosen)


def modes_of(query: SearchQuery) -> list[Option]:
    """Return the search modes."""
    modes = {"": _("Content and text"), Mode.MEANING: _("Content only"), Mode.WORDS: _("Text only")}
    return _options(modes, query.mode)


def _options(labels: dict[str, str], chosen: str) -> list[Option]:
    known = str(chosen) if chosen in labels else ""
    return [(str(value), label, value == known) for value, label in labels.items()]


def facets_to_choose(facets: Iterable[Facet], counts: Counts) -> list[Facet]:
    """Return the facets that narrow the results: with a value that only some pictures have, or with a chosen one."""

    def divides(choice: Choice) -> bool:
        return choice.chosen or 0 < choice.count < counts.total

    return [facet for facet in facets if any(map(divides, facet.choices))]


def more_shown(count: int) -> str:
    text = ngettext("Show %(number)s more", "Show %(number)s more", count)
    return text % {"number": f"{count:,}"}


def words_of(results: ResultPage) -> list[str]:
    """Return tags and short titles of the nearest pictures that are not in the query, as suggestions."""
    said = results.query.words.casefold()
    return list(dict.fromkeys(word for word in _words(results) if word.casefold() not in said))[:MOST_WORDS]


def _words(results: ResultPage) -> Iterator[str]:
    for image in results.images[:_NEAREST_LOOKED_AT]:
        yield from image.tags[:2]
        if 0 < len(image.title) <= LONGEST_WORDS:
            yield image.title
