"""What the page of results asks of a search: its parts as chips, its filters, and the ways to other searches."""

from dataclasses import dataclass, replace

from django import template
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from search.jinja import rendered
from search.models import Image
from search.querying import Band, Kind, Part, ResultPage, SearchQuery, WayOut, ways_out

register = template.Library()

WEIGHTS = [quarter / 4 for quarter in range(1, 9)]
"""The steps of a slider."""
_WEIGHT_LABELS = [
    (0.5, gettext_lazy("much less")),
    (0.99, gettext_lazy("less")),
    (1.0, gettext_lazy("normal weight")),
    (1.5, gettext_lazy("more")),
]


def _weight_label(weight: float) -> str:
    return str(next((label for most, label in _WEIGHT_LABELS if weight <= most), gettext_lazy("much more")))


@register.simple_tag
def weights() -> list[tuple[str, str]]:
    """Return the steps of a slider, each with what it is called."""
    return [(f"{weight:g}", _weight_label(weight)) for weight in WEIGHTS]


@dataclass(frozen=True)
class Chip:
    """One part of a search, and the search without it. `number` tells it from others of the same name."""

    part: Part
    number: int
    without: SearchQuery

    @property
    def is_words(self) -> bool:
        return self.part.kind is Kind.WORDS

    @property
    def is_box(self) -> bool:
        """Whether these are the words of the box, which the form has already."""
        return self.part.name == "q"

    @property
    def picture(self) -> str:
        """The address of its small picture; "" for words."""
        if self.is_words:
            return ""
        if self.part.kind is Kind.PICTURE:
            return reverse("query-picture", args=[self.part.value])
        return reverse("rendition", args=[self.part.value, 400])

    @property
    def page(self) -> str:
        """The address of the image's page, where it is an image of the collection."""
        return reverse("image", args=[self.part.value]) if self.part.kind is Kind.IMAGE else ""

    @property
    def label(self) -> str:
        if self.is_words:
            return str(self.part.value)
        return _("More like this picture") if self.part.wanted else _("Less like this picture")

    @property
    def weight(self) -> str:
        return f"{self.part.weight:g}"

    @property
    def weight_label(self) -> str:
        return _weight_label(self.part.weight)


@register.simple_tag
def chips_of(query: SearchQuery) -> list[Chip]:
    """Return the parts of a search; the words of the box among them where there are others to weigh them against."""
    chips: list[Chip] = []
    if query.parts and query.box.meant:
        part = Part(Kind.WORDS, query.box.meant, query.words_weight)
        chips.append(Chip(part, 1, query.replace(words="", words_weight=1.0)))
    chips += [Chip(part, number, query.without_part(part)) for number, part in enumerate(query.parts, start=1)]
    return chips


@register.simple_tag
def facet_fields(results: ResultPage) -> SafeString:
    """Return the fields of all filters on values, rendered by the faster engine: they are dozens."""
    any_label = pgettext("filter", "Any")
    return rendered("search/_partials/facets.jinja", facets=results.facets, any_label=any_label)


@dataclass(frozen=True)
class ActiveFilter:
    facet: str
    label: str
    without: SearchQuery


@register.simple_tag
def active_filters(results: ResultPage) -> list[ActiveFilter]:
    """Return what is filtered by, each with the search that is not."""
    query, filters = results.query, results.query.filters
    active = [
        ActiveFilter(facet.label, choice.label, choice.query)
        for facet in results.facets
        for choice in facet.choices
        if choice.chosen
    ]
    if filters.since:
        label = _("from %(day)s") % {"day": date_format(filters.since)}
        active.append(ActiveFilter(_("Added"), label, query.replace(filters=replace(filters, since=None))))
    if filters.until:
        label = _("until %(day)s") % {"day": date_format(filters.until)}
        active.append(ActiveFilter(_("Added"), label, query.replace(filters=replace(filters, until=None))))
    return active


@register.simple_tag
def without_filters(query: SearchQuery) -> SearchQuery:
    return query.replace(filters=type(query.filters)())


@register.simple_tag
def easier_than(query: SearchQuery) -> list[WayOut]:
    """Return what to leave out of a search that finds nothing."""
    return ways_out(query)


@register.filter
def halves(results: ResultPage) -> list[tuple[bool, list[Image]]]:
    """Return the sections of a page of results: whether they stand below the strong matches, and their images.

    Where nothing is strong, or nothing is known of it, all of it is one.
    """
    halves: list[tuple[bool, list[Image]]] = []
    for band, images in results.sections:
        weaker = bool(results.strong) and band in {Band.RELATED, Band.WEAK}
        if halves and halves[-1][0] is weaker:
            halves[-1][1].extend(images)
        else:
            halves.append((weaker, list(images)))
    return halves
