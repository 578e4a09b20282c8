"""Query relaxation: alternatives to a search without results, each with one condition less."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from search.embedding import ModelUnavailable
from search.query.errors import BadQuery
from search.query.parser import ParsedText
from search.query.query import Minimum, Mode, SearchQuery
from search.retrieval.results import ResultPage
from search.retrieval.search import find

MOST = 6
MOST_FILTERS = 3


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A relaxed query, a label for what was dropped, and how many images it finds."""

    label: str
    query: SearchQuery
    found: int


def relaxations(query: SearchQuery) -> list[Relaxation]:
    """Return relaxations of `query` that find something. Each costs a search."""
    easier = [(label, other) for label, other in _easier(query) if other != query][:MOST]
    ways = [Relaxation(label, other, _found(other)) for label, other in easier]
    return [way for way in ways if way.found]


def ways_to_matches(query: SearchQuery) -> list[Relaxation]:
    """Return relaxations of `query` without some filters that have strong matches; `found` counts these.

    Each costs a search: at most MOST_FILTERS are tried.
    """
    if query.all_filters.is_empty:
        return []
    easier = [(label, other) for label, other in _easier(query) if other.all_filters != query.all_filters]
    ways = [Relaxation(label, other, _strong(other)) for label, other in easier[:MOST_FILTERS]]
    return [way for way in ways if way.found]


def _found(query: SearchQuery) -> int:
    return _count(query, lambda results: results.found)


def _strong(query: SearchQuery) -> int:
    return _count(query, lambda results: results.strong)


def _count(query: SearchQuery, counted: Callable[[ResultPage], int]) -> int:
    try:
        return counted(find(query, for_tiles=True))
    except (BadQuery, ModelUnavailable):  # other relaxations may still work, such as words only
        return 0


def _easier(query: SearchQuery) -> Iterator[tuple[str, SearchQuery]]:
    if query.minimum is not Minimum.ANY:
        yield _("Weaker matches too"), query.replace(minimum=Minimum.ANY)
    if query.mode is Mode.WORDS:
        yield _("Search by what pictures show, too"), query.replace(mode=Mode.BOTH)
    if query.box.quoted:
        yield _("Without the quotation marks"), query.replace(words=_unquoted(query.box))
    filters = query.filters
    for tag in filters.tags:
        others = tuple(other for other in filters.tags if other != tag)
        yield _("Without the tag “%(tag)s”") % {"tag": tag}, query.replace(filters=replace(filters, tags=others))
    cleared = {
        ("formats",): _("Any format"),
        ("orientations",): _("Any orientation"),
        ("sizes",): _("Any size"),
        ("colours", "together"): _("Any colour"),
        ("licences",): _("Any licence"),
        ("albums",): _("In any album or none"),
        ("uploader",): _("Uploaded by anyone"),
        ("since", "until"): _("Any day"),
        ("described",): _("With or without a description"),
        ("taken_since", "taken_until"): _("Taken on any day"),
        ("cameras",): _("Any camera"),
        ("lenses",): _("Any lens"),
        ("rating",): _("Any rating"),
        ("dated",): _("With or without a date"),
        ("group",): _("Anywhere on the map"),
        ("hidden",): _("Pictures that everyone can see"),
    }
    for fields, label in cleared.items():
        yield label, query.replace(filters=filters.without(*fields))
    for one in query.box.typed:
        yield _("Without %(filter)s") % {"filter": one.text}, query.without_typed(one.text)
    if not filters.is_empty:
        yield _("Without any filter"), query.replace(filters=type(filters)())


def _unquoted(box: ParsedText) -> str:
    """Return the text of the box without quotation marks. Negated parts stay negated, and a minus within the marks
    does not negate."""
    meant = re.sub(r"(?<!\S)-(?=\w)", "", box.meant)
    filters = (one.text for one in box.typed)
    return " ".join([meant, *(f'-"{words}"' for words in box.unwanted), *filters])
