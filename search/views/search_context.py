"""Template context of the page of results: query parts as chips, filters, and links to other searches."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, npgettext, pgettext

from search.facets import chosen_of, months
from search.models import Image, QueryPicture
from search.query import Kind, Mode, Part, SearchQuery, Sort
from search.query.date_spans import Span, month_of, year_of
from search.query.filters import Hidden
from search.query.map_groups import group_label
from search.query.nearby import USUAL
from search.retrieval import ResultPage
from search.retrieval.all_results import has_matches
from search.templatetags.pictures import results_path
from search.views.places import DISTANCES

WEIGHTS = [quarter / 4 for quarter in range(1, 8)]
"""The steps of a weight slider, on both sides of the normal weight."""
_WEIGHT_LABELS = [
    (0.5, gettext_lazy("much less")),
    (0.99, gettext_lazy("less")),
    (1.0, gettext_lazy("normal weight")),
    (1.5, gettext_lazy("more")),
]


def _weight_label(weight: float) -> str:
    return str(next((label for most, label in _WEIGHT_LABELS if weight <= most), gettext_lazy("much more")))


def weights() -> list[tuple[str, str]]:
    """Return the steps of a slider, each with its label."""
    return [(f"{weight:g}", _weight_label(weight)) for weight in WEIGHTS]


@dataclass(frozen=True)
class Chip:
    """A query part, and the search without it. `number` distinguishes parts of the same name."""

    part: Part
    number: int
    without: SearchQuery
    part_of: Image | None = None
    """The image that the picture was cropped from, if any."""

    @property
    def is_words(self) -> bool:
        return self.part.kind is Kind.WORDS

    @property
    def is_box(self) -> bool:
        """Whether these are the words of the search box, which the form has already."""
        return self.part.name == "q"

    @property
    def picture(self) -> str:
        """URL of its thumbnail; "" for words."""
        if self.is_words:
            return ""
        if self.part.kind is Kind.PICTURE:
            return reverse("query-picture", args=[self.part.value])
        return reverse("rendition", args=[self.part.value, 400])

    @property
    def page(self) -> str:
        """URL of the image's page, where it is an image of the collection or a crop of one."""
        if self.part_of:
            return self.part_of.get_absolute_url()
        return reverse("image", args=[self.part.value]) if self.part.kind is Kind.IMAGE else ""

    @property
    def label(self) -> str:
        if self.is_words:
            return str(self.part.value)
        if self.part_of and self.part_of.title:
            return _("Part of “%(title)s”") % {"title": self.part_of.title}
        if self.part_of:
            return _("Part of a picture")
        return _("More like this picture") if self.part.wanted else _("Less like this picture")

    @property
    def weight(self) -> str:
        return f"{self.part.weight:g}"

    @property
    def slider(self) -> tuple[str, str]:
        """The range of its slider: that of WEIGHTS, extended to a weight from the URL beyond it."""
        return f"{min(WEIGHTS[0], self.part.weight):g}", f"{max(WEIGHTS[-1], self.part.weight):g}"

    @property
    def weight_label(self) -> str:
        return _weight_label(self.part.weight)


def chips_of(query: SearchQuery) -> list[Chip]:
    """Return the parts of a search; with other parts also the words of the search box, so that they can be
    weighted."""
    chips: list[Chip] = []
    if query.parts and query.box.meant:
        part = Part(Kind.WORDS, query.box.meant, query.words_weight)
        filters = " ".join(one.text for one in query.box.typed)
        chips.append(Chip(part, 1, query.replace(words=filters, words_weight=1.0)))
    cut_from = QueryPicture.cut_from(part.value for part in query.parts if part.kind is Kind.PICTURE)
    chips += [
        Chip(part, number, query.without_part(part), cut_from.get(part.value))
        for number, part in enumerate(query.parts, start=1)
    ]
    return chips


@dataclass(frozen=True)
class ActiveFilter:
    facet: str
    label: str
    without: SearchQuery


def with_filters_open(query: SearchQuery) -> str:
    """Return the URL of this search with the filter panel open."""
    return f"{results_path()}?{urlencode([*query.to_params(), ('filters', 'open')])}"


def active_filters(query: SearchQuery) -> list[ActiveFilter]:
    """Return the active filters, each with the search without it. Counts nothing."""
    filters = query.filters
    typed = [ActiveFilter(_("Filter"), one.text, query.without_typed(one.text)) for one in query.box.typed]
    if filters.is_empty:
        return typed
    active = [ActiveFilter(*one) for one in chosen_of(query)]

    def add(facet: str, label: str, *fields: str) -> None:
        active.append(ActiveFilter(facet, label, query.replace(filters=filters.without(*fields))))

    if filters.hidden is not None:
        add(_("Hidden pictures"), hidden_labels()[filters.hidden], "hidden")
    span = Span(filters.taken_since, filters.taken_until)
    if span != Span(None, None):
        add(_("Taken"), span_label(span), "taken_since", "taken_until")
    if filters.near:
        label = _("Near this picture: within %(number)s km") % {"number": filters.within or USUAL}
        add(_("Place"), label, "near", "within")
    if filters.group is not None:
        add(_("On the map"), group_label(filters.group), "group")
    for field, label in (("since", _("from %(day)s")), ("until", _("until %(day)s"))):
        if day := getattr(filters, field):
            add(_("Added"), label % {"day": date_format(day)}, field)
    return typed + active


def distances_of(query: SearchQuery) -> list[tuple[int, bool, SearchQuery]]:
    """Return the radii of the filter "near": kilometres, whether it is active, and the search; empty without it."""
    filters = query.filters
    if not filters.near:
        return []
    now = filters.within or USUAL
    return [(one, one == now, query.replace(filters=replace(filters, within=one))) for one in DISTANCES]


def hidden_labels() -> dict[str, str]:
    """Labels of the filter for hidden pictures, by value, for curators."""
    return {
        Hidden.NO: _("Without hidden pictures"),
        Hidden.WITH: _("Including hidden pictures"),
        Hidden.ONLY: _("Only hidden pictures"),
    }


def span_label(span: Span) -> str:
    """Return the label of a span of days: "2023", "July 2023", or its two ends."""
    first, last = span
    if first and last:
        if span == year_of(first.year):
            return pgettext("a year", "%(year)s") % {"year": first.year}
        if span == month_of(first.year, first.month):
            return date_format(first, "YEAR_MONTH_FORMAT")
        if first == last:
            return date_format(first)
        return f"{date_format(first)} – {date_format(last)}"
    if first:
        return _("from %(day)s") % {"day": date_format(first)}
    return _("until %(day)s") % {"day": date_format(last)} if last else ""


@dataclass(frozen=True)
class Bar:
    """A month or a year in the histogram: its number of pictures, its height in percent, and the search for them."""

    span: Span
    count: int
    height: int
    chosen: bool
    query: SearchQuery

    @property
    def label(self) -> str:
        return span_label(self.span)


def bars_of(query: SearchQuery, taken: Mapping[dt.date, int]) -> list[Bar]:
    """Return a histogram of when the pictures of a search were taken, from counts by month; empty without dates."""
    found = months.bars(taken)
    most = max((count for _span, count in found), default=0)
    return [_bar(query, span, count, most) for span, count in found]


def years_of(query: SearchQuery, taken: Mapping[dt.date, int]) -> list[Bar]:
    """The same by year, latest first, without empty years."""
    found = months.by_year(taken)
    return [_bar(query, year_of(year), count, max(found.values())) for year, count in found.items()]


def _bar(query: SearchQuery, span: Span, count: int, most: int) -> Bar:
    since, until = query.filters.taken_since, query.filters.taken_until
    begins, ends = since is None or since <= (span.last or since), until is None or (span.first or until) <= until
    is_within = bool(since or until) and begins and ends
    taken = Span(None, None) if Span(since, until) == span else span
    filters = replace(query.filters, taken_since=taken.first, taken_until=taken.last)
    height = max(2, round(100 * count / most)) if count else 0
    return Bar(span, count, height, is_within, query.replace(filters=filters))


def without_filters(query: SearchQuery) -> SearchQuery:
    """Return the query without filters, ticked or typed."""
    for one in query.box.typed:
        query = query.without_typed(one.text)
    return query.replace(filters=type(query.filters)())


def sets_of(results: ResultPage) -> list[tuple[str, str]]:
    """Return the sets of results that curators can change as a whole: value of `all`, and label.
    Search by meaning ranks all pictures, so only its matches form a set."""
    query = results.query
    if not results.found:
        return []
    if not has_matches(query):
        text = ngettext("Change the %(number)s result", "Change all %(number)s results", results.found)
        return [("any", text % {"number": f"{results.found:,}"})]
    if not results.scale and not results.strong:
        return []
    sets = []
    if results.strong and not results.strong_is_least:
        text = ngettext("Change the %(number)s strong match", "Change all %(number)s strong matches", results.strong)
        sets.append(("strong", text % {"number": f"{results.strong:,}"}))
    elif results.strong:
        sets.append(("strong", _("Change all strong matches")))
    return [*sets, ("related", _("Change all strong and related matches"))]


def found_title(results: ResultPage) -> str:
    """Return the heading of the results."""
    query = results.query
    if not results.found:
        is_all = query.is_empty and query.all_filters.is_empty
        return _("There are no pictures yet") if is_all else _("No pictures found")
    if results.is_past_the_end:
        return _("No results on this page")
    return _matches_title(results) if query.wanted else _with_unwanted(query, _by_date_title(results))


def _with_unwanted(query: SearchQuery, title: str) -> str:
    """Return `title` with a note on unwanted parts, for a search with no wanted ones."""
    if not query.unwanted:
        return title
    words = ", ".join(str(part.value) for part in query.unwanted if part.kind is Kind.WORDS)
    if not words:
        return _("%(title)s; pictures similar to the unwanted picture come later") % {"title": title}
    return _("%(title)s; pictures similar to “%(words)s” come later") % {"title": title, "words": words}


def _by_date_title(results: ResultPage) -> str:
    query, found = results.query, results.found
    if query.sort is Sort.TAKEN_OLDEST:
        text = npgettext("first taken first", "%(number)s picture", "%(number)s pictures, first taken first", found)
    elif query.sort is Sort.OLDEST:
        text = npgettext("oldest first", "%(number)s picture", "%(number)s pictures, oldest first", found)
    elif query.sort.is_by_taken:
        text = npgettext("last taken first", "%(number)s picture", "%(number)s pictures, recently taken first", found)
    elif query.sort is Sort.NEAREST and query.all_filters.near:
        text = npgettext("nearest place", "%(number)s picture", "%(number)s pictures, nearest location first", found)
    elif query.is_empty and query.all_filters.is_empty:
        return _("Newest pictures")
    else:
        text = npgettext("by date", "%(number)s picture", "%(number)s pictures, newest first", found)
    return text % {"number": f"{found:,}"}


def _matches_title(results: ResultPage) -> str:
    strong, found = results.strong, results.found
    number = strong or found
    if results.scale and not strong and any(image.by_words for image in results.images):
        return _("Found inside longer words; the nearest pictures follow:")
    if results.scale and not strong:
        return _("There are no good matches. The nearest pictures are:")
    if strong and results.strong_is_least:
        text = ngettext("At least %(number)s strong match", "At least %(number)s strong matches", strong)
    elif strong:
        text = ngettext("%(number)s strong match", "%(number)s strong matches", strong)
    elif results.query.mode is Mode.WORDS:
        text = ngettext(
            "%(number)s picture with these words", "%(number)s pictures with these words, best match first", found
        )
    else:
        text = ngettext("%(number)s picture", "%(number)s pictures, nearest first", found)
    return text % {"number": f"{number:,}"}


def found_in_all(found: int) -> str:
    return ngettext("%(number)s picture in all", "%(number)s pictures in all", found) % {"number": f"{found:,}"}


def pictures_in_brackets(found: int) -> str:
    text = npgettext("in brackets", "%(number)s picture", "%(number)s pictures", found)
    return text % {"number": f"{found:,}"}


def pages_there_are(pages: int) -> str:
    text = ngettext("This search has only %(number)s page.", "This search has only %(number)s pages.", pages)
    return text % {"number": f"{pages:,}"}
