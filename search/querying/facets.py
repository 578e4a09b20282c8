"""The filters that people can tick beside a query, with how many images each would leave."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _

from search.imaging import PALETTE
from search.models import Image
from search.querying.counting import Counts
from search.querying.filters import Filters
from search.querying.query import SearchQuery

_Found = Iterable[tuple[Any, str, int]]
"""Values of a filter, each with its label and how many images it leaves."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter: how many images it leaves, and the query in which it is chosen, or not any more.

    A page asks for few of these queries, so that each is made when it is asked for.
    """

    value: str
    label: str
    count: int
    chosen: bool
    toggle: Callable[[], SearchQuery] = field(repr=False, compare=False)

    @property
    def query(self) -> SearchQuery:
        return self.toggle()


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: str
    choices: list[Choice]


def facets_of(query: SearchQuery, counts: Counts) -> list[Facet]:
    """Return the filters that leave a choice, or in which something is chosen."""
    filters = query.filters

    def named(field: str, labels: Mapping[str, Any]) -> _Found:
        return _named(counts.of(field), labels, getattr(filters, field))

    described = counts.of("described")
    tags = _frequent(counts.most_frequent("tags", "tags"), filters.tags, counts.total)
    licences = _licences(counts, filters.licences)
    facets = [
        _facet(query, "tag", _("Tags"), "tags", tags),
        _facet(query, "colour", _("Colour"), "colours", named("colours", palette_labels())),
        _facet(
            query,
            "orientation",
            _("Orientation"),
            "orientations",
            named("orientations", dict(Image.Orientation.choices)),
        ),
        _facet(query, "size", _("Size"), "sizes", named("sizes", dict(Image.Size.choices))),
        _facet(query, "format", _("Format"), "formats", named("formats", dict(Image.Format.choices))),
        _facet(query, "licence", _("Licence"), "licences", licences),
        _facet(query, "uploader", _("Uploaded by"), "uploader", _people(counts, filters.uploader)),
        _facet(
            query,
            "described",
            _("Description"),
            "described",
            [(True, _("With a description"), described[True]), (False, _("Without a description"), described[False])],
        ),
    ]
    return [facet for facet in facets if any(choice.count or choice.chosen for choice in facet.choices)]


_BOOLEAN: dict[Any, str] = {True: "yes", False: "no"}


def _facet(query: SearchQuery, facet: str, label: str, name: str, found: _Found) -> Facet:
    chosen = getattr(query.filters, name)
    choices = [
        Choice(
            value=_BOOLEAN.get(value) or str(value),
            label=str(shown),
            count=count,
            chosen=value in chosen if isinstance(chosen, tuple) else value == chosen,
            toggle=partial(_with_toggled, query, name, value),
        )
        for value, shown, count in found
    ]
    return Facet(facet, label, choices)


def _with_toggled(query: SearchQuery, name: str, value: Any) -> SearchQuery:
    """Return `query` with `value` of a filter chosen, or no more where it was."""
    before = getattr(query.filters, name)
    after: Any
    if isinstance(before, tuple):
        after = tuple(other for other in before if other != value) if value in before else (*before, value)
    else:
        after = getattr(Filters(), name) if value == before else value
    changes: dict[str, Any] = {name: after}
    return query.replace(filters=replace(query.filters, **changes))


def palette_labels() -> dict[str, str]:
    labels = {
        "red": _("Red"),
        "orange": _("Orange"),
        "yellow": _("Yellow"),
        "green": _("Green"),
        "teal": _("Teal"),
        "blue": _("Blue"),
        "purple": _("Purple"),
        "pink": _("Pink"),
        "brown": _("Brown"),
        "black": _("Black"),
        "grey": _("Grey"),
        "white": _("White"),
    }
    return {name: labels[name] for name in PALETTE}


def _named(counts: "Counter[Any]", labels: Mapping[str, Any], chosen: tuple[str, ...]) -> _Found:
    """The values that leave something or are chosen, in the order of their labels."""
    return [(value, label, counts[value]) for value, label in labels.items() if counts[value] or value in chosen]


def _frequent(found: list[tuple[str, int]], chosen: tuple[str, ...], count: int) -> _Found:
    """The most frequent values, after those that are chosen but rarer, which leave `count` images."""
    rare = [(value, value, count) for value in _rarer(chosen, found)]
    return [*rare, *((value, value, number) for value, number in found)]


def _rarer(chosen: Iterable[str], found: list[tuple[str, int]]) -> list[str]:
    known = {value for value, _count in found}
    return [value for value in chosen if value not in known]


def _licences(counts: Counts, chosen: tuple[str, ...]) -> _Found:
    found = counts.most_frequent("licence", "licences")
    rare = _rarer(chosen, found)
    leaving: Counter[Any] = counts.leaving("licence", "licences", rare) if rare else Counter()
    return [(value, value, number) for value, number in [*((value, leaving[value]) for value in rare), *found]]


def _people(counts: Counts, chosen: str) -> _Found:
    found = dict(counts.most_frequent("uploader", "uploader"))
    user = get_user_model()
    names = dict(user.objects.filter(pk__in=found).values_list("pk", user.USERNAME_FIELD)) if found else {}
    people = [(names[key], number) for key, number in found.items() if key in names]
    if rare := _rarer([chosen] if chosen else [], people):
        leaving = counts.leaving(f"uploader__{user.USERNAME_FIELD}", "uploader", rare)
        people = [*((name, leaving[name]) for name in rare), *people]
    return [(name, name, number) for name, number in people]
