"""Facets: filters offered beside a query, with the number of images that each value would leave."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext
from django.utils.translation import gettext as _

from search.facets.filter_counts import MOST_VALUES, Counts
from search.models import Image, Place
from search.places.countries import country_name
from search.query.filters import STARS, Certainty, Filters
from search.query.labels import colour_labels
from search.query.query import SearchQuery
from search.query.viewer import asker

_FACETS: dict[str, tuple[str, Any]] = {
    "tag": ("tags", gettext_lazy("Tags")),
    "colour": ("colours", gettext_lazy("Colour")),
    "orientation": ("orientations", gettext_lazy("Orientation")),
    "size": ("sizes", gettext_lazy("Size")),
    "format": ("formats", gettext_lazy("Format")),
    "licence": ("licences", gettext_lazy("Licence")),
    "album": ("albums", gettext_lazy("Album")),
    "camera": ("cameras", gettext_lazy("Camera")),
    "lens": ("lenses", gettext_lazy("Lens")),
    "country": ("countries", gettext_lazy("Country")),
    "region": ("regions", gettext_lazy("Region")),
    "town": ("towns", gettext_lazy("Town")),
    "rating": ("rating", gettext_lazy("Rating")),
    "dated": ("dated", gettext_lazy("Date taken")),
    "uploader": ("uploader", gettext_lazy("Uploaded by")),
    "described": ("described", gettext_lazy("Description")),
}
"""Filters by their URL parameter: the field of Filters, and the label."""

_OF_PLACES = ("country", "region", "town")

_Found = Iterable[tuple[Any, str, int]]
"""(value, label, count) of a filter."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter: the number of images it leaves, and the query that toggles it.

    The query is built on demand, since a page needs few of them.
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


def facets_of(query: SearchQuery, counts: Counts, *, places: bool = False) -> list[Facet]:
    """Return the facets that offer a choice or have a chosen value; with `places`, including places."""
    filters = query.filters
    found: dict[str, _Found] = {
        "tag": _frequent(counts.frequent_tags(), filters.tags, counts.total),
        "colour": _named(counts.of_colours(), _labels("colour"), filters.colours),
        "licence": _licences(counts, filters.licences),
        "album": _albums(counts, filters.albums),
        "camera": _written(counts.of_captures("cameras"), filters.cameras),
        "lens": _written(counts.of_captures("lenses"), filters.lenses),
        "rating": _stars(counts, filters.rating),
        "dated": _dated(counts, filters.dated),
        "uploader": _people(counts, filters.uploader),
        **(_places(counts, filters) if places else {}),
    }
    for name, (column, _label) in _FACETS.items():
        if name not in found and (labels := _labels(name)):
            chosen = None if name == "described" else getattr(filters, column)
            found[name] = _named(counts.of(column), labels, chosen)
    facets = [_facet(query, name, found[name]) for name in _FACETS if name in found]
    return [facet for facet in facets if any(choice.count or choice.chosen for choice in facet.choices)]


def chosen_of(query: SearchQuery) -> Iterator[tuple[str, str, SearchQuery]]:
    """Yield each chosen value: the label of its filter, its own, and the query without it.

    Counts nothing.
    """
    for name, (column, label) in _FACETS.items():
        chosen = getattr(query.filters, column)
        values = list(chosen) if isinstance(chosen, tuple) else [] if chosen in ("", None) else [chosen]
        labels = _labels(name)
        for value in sorted(values, key=list(labels).index) if labels else values:
            called = _label(name, value) if name in (*_OF_PLACES, "album") else labels.get(value, value)
            yield str(label), str(called), _with_toggled(query, column, value)
        if name == "colour" and query.filters.together and len(values) > 1:
            any_will_do = replace(query.filters, together=None)
            yield str(label), _("All of these colours"), query.replace(filters=any_will_do)


def _labels(name: str) -> Mapping[Any, Any]:
    """Return the labels of a filter's values in order; empty if the values are their own labels."""
    if name == "colour":
        return colour_labels()
    if name == "described":
        return {True: _("With a description"), False: _("Without a description")}
    if name == "dated":
        return {
            Certainty.KNOWN: _("Known"),
            Certainty.ABOUT: pgettext("date taken", "About"),
            Certainty.UNKNOWN: pgettext("date taken", "Unknown"),
        }
    if name == "rating":
        return {int(star): _at_least(int(star)) for star in reversed(STARS)}
    choices = {"orientation": Image.Orientation, "size": Image.Size, "format": Image.Format}
    return dict(choices[name].choices) if name in choices else {}


_BOOLEAN: dict[Any, str] = {True: "yes", False: "no"}


def _facet(query: SearchQuery, name: str, found: _Found) -> Facet:
    column, label = _FACETS[name]
    chosen = getattr(query.filters, column)
    choices = [
        Choice(
            value=_BOOLEAN[value] if isinstance(value, bool) else str(value),
            label=str(shown),
            count=count,
            chosen=value in chosen if isinstance(chosen, tuple) else value == chosen,
            toggle=partial(_with_toggled, query, column, value),
        )
        for value, shown, count in found
    ]
    return Facet(name, str(label), choices)


def _with_toggled(query: SearchQuery, name: str, value: Any) -> SearchQuery:
    """Return `query` with `value` of a filter toggled."""
    before = getattr(query.filters, name)
    after: Any
    if isinstance(before, tuple):
        after = tuple(other for other in before if other != value) if value in before else (*before, value)
    else:
        after = getattr(Filters(), name) if value == before else value
    changes: dict[str, Any] = {name: after}
    return query.replace(filters=replace(query.filters, **changes))


def _named(counts: "Counter[Any]", labels: Mapping[Any, Any], chosen: tuple[str, ...] | None) -> _Found:
    """Return the values that leave something or are chosen, in the order of `labels`; with None, all of them."""
    shown = [value for value in labels if chosen is None or counts[value] or value in chosen]
    return [(value, labels[value], counts[value]) for value in shown]


def _frequent(found: list[tuple[str, int]], chosen: tuple[str, ...], count: int) -> _Found:
    """Return the most frequent values, preceded by chosen, rarer ones, for which `count` images are left."""
    rare = [(value, value, count) for value in _rarer(chosen, found)]
    return [*rare, *((value, value, number) for value, number in found)]


def _rarer(chosen: Iterable[str], found: list[tuple[str, int]]) -> list[str]:
    known = {value for value, _count in found}
    return [value for value in chosen if value not in known]


def _at_least(stars: int) -> str:
    return ngettext("%(number)s star or more", "%(number)s stars or more", stars) % {"number": stars}


def _stars(counts: Counts, chosen: int | None) -> _Found:
    """Yield each minimum rating that leaves something."""
    given = counts.of_captures("rating")
    for star, label in _labels("rating").items():
        number = sum(count for stars, count in given.items() if stars is not None and stars >= star)
        if number or star == chosen:
            yield star, label, number


def _dated(counts: Counts, chosen: tuple[str, ...]) -> _Found:
    found = counts.of_captures("dated")
    # A single value is no choice: without any dates all are unknown.
    return _named(found, _labels("dated"), chosen) if len(found) > 1 or chosen else []


def _written(given: "Counter[Any]", chosen: tuple[str, ...]) -> _Found:
    """Return the most frequent texts, preceded by chosen, rarer ones."""
    texts = sorted(((value, count) for value, count in given.items() if value), key=lambda one: (-one[1], one[0]))
    found = texts[:MOST_VALUES]
    return [
        (value, value, number) for value, number in [*((one, given[one]) for one in _rarer(chosen, found)), *found]
    ]


def _places(counts: Counts, filters: Filters) -> dict[str, _Found]:
    """Return the most frequent countries, regions and towns, preceded by chosen, rarer ones; counts ignore the filter
    itself."""
    chosen = filters.countries, filters.regions, filters.towns
    found: tuple[Counter[Any], ...] = (Counter(), Counter(), Counter())
    numbers = counts.places
    # Reads all places: selecting thousands by id takes longer.
    rows = Place.objects.values_list("pk", *_OF_PLACES) if numbers else ()
    for key, *values in rows:
        number = numbers.get(key, 0)
        missed = [place for place in range(3) if chosen[place] and values[place] not in chosen[place]]
        # A filter is ignored when counting its own values.
        for place in range(3) if not missed else missed if len(missed) == 1 else ():
            if number and values[place]:
                found[place][values[place]] += number
    return {
        name: _called(name, list(_written(counted, those)))
        for name, counted, those in zip(_OF_PLACES, found, chosen, strict=True)
    }


def _called(name: str, values: Sequence[tuple[Any, str, int]]) -> _Found:
    labels = place_labels(name, [value for value, _label, _count in values])
    return [(value, labels[value], count) for value, _label, count in values]


def place_labels(name: str, values: Sequence[str]) -> dict[str, str]:
    """Return the labels of countries, regions or towns in the current language."""
    language = get_language() or "en"
    if name == "country":
        return {value: country_name(value, language) for value in values}
    labels = dict(zip(values, values, strict=True))
    if values and language == "ko":
        known = Place.objects.filter(**{f"{name}__in": values}).exclude(**{f"korean_{name}": ""}).order_by("-pk")
        labels |= dict(known.values_list(name, f"korean_{name}"))
    return labels


def _label(name: str, value: str) -> str:
    """Return the label of a value of a filter without a fixed list."""
    return asker().albums.get(int(value), value) if name == "album" else place_label(name, value)


def place_label(name: str, value: str) -> str:
    return place_labels(name, [value])[value]


def _albums(counts: Counts, chosen: tuple[str, ...]) -> _Found:
    """Return the albums that the user may see, those with the most of these pictures first."""
    known = asker().albums
    if not known:
        return []
    given = counts.grouped("albums", F("album_entries__album"), "albums")
    ids = sorted((key for key in known if given[key]), key=lambda key: (-given[key], known[key]))[:MOST_VALUES]
    rare = [key for key in map(int, chosen) if key in known and key not in ids]
    return [(str(key), known[key], given[key]) for key in (*rare, *ids)]


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
