"""`/timeline/`: the collection by year and month taken."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from search.http.methods import require_safe
from search.query import SearchQuery
from search.query.date_spans import month_of, year_of
from search.query.filters import Certainty, Filters
from search.retrieval.search_scope import Scope
from search.retrieval.timeline import Place, months_with_pictures, read_month, taken_up_to
from search.views.images import may_see_hidden
from search.views.neighbours_in_lists import TIMELINE, lead_on
from search.views.search_context import span_label
from search.views.searching import WHAT_IS_ASKED_FOR


@dataclass(frozen=True, slots=True)
class Mark:
    """A month or year on the scrubber. `share` is its count in percent of the fullest month's."""

    name: str
    label: str
    count: int
    share: int = 0


@require_safe
def timeline(request: HttpRequest) -> HttpResponse:
    """From the month or year `at`, or after the picture `behind`. htmx requests further pictures only."""
    months = months_with_pictures()
    month = read_month(request.GET.get("at", "").strip())
    behind = Place.read(request.GET.get("behind", ""))
    page = taken_up_to(month, behind)
    for _day, images in page.sections:
        lead_on(images, TIMELINE)
    is_more = bool(request.htmx) and request.htmx.target == "more"  # type: ignore[attr-defined]
    context = {
        "query": SearchQuery(),
        "sections": [
            (day, span_label(month_of(day.year, day.month)), months.get(day, len(images)), images)
            for day, images in page.sections
        ],
        "goes_on": behind.taken.date().replace(day=1) if behind and is_more else None,
        "next": _address(behind=page.behind) if page.behind else "",
    }
    if not is_more:
        context["is_curator"] = may_see_hidden(request)
        context |= _whole(months, page.sections[0][0] if page.sections else None)
    template = "search/_partials/timeline_part.jinja" if is_more else "search/timeline.jinja"
    response = render(request, template, context, using="jinja2")
    patch_vary_headers(response, WHAT_IS_ASKED_FOR)
    return response


def _whole(months: Mapping[dt.date, int], shown: dt.date | None) -> dict[str, object]:
    """Context around the pictures: the scrubber, and links to later pictures and those without a date."""
    later = [month for month in months if shown and month > shown]
    total = Scope(SearchQuery(), private=True).total
    without = SearchQuery(filters=Filters(dated=(Certainty.UNKNOWN,)))
    return {
        "years": list(_years(months)),
        "shown": f"{shown:%Y-%m}" if shown else "",
        "later": _address(at=f"{later[-1]:%Y-%m}") if later else "",
        "later_label": span_label(month_of(later[-1].year, later[-1].month)) if later else "",
        "undated": max(0, total - sum(months.values())),
        "undated_query": without,
    }


def _years(months: Mapping[dt.date, int]) -> Iterator[tuple[Mark, list[Mark]]]:
    """Each year with its months that have pictures, latest first."""
    most = max(months.values(), default=1)
    for year, within in groupby(months.items(), key=lambda one: one[0].year):
        marks = [
            Mark(f"{month:%Y-%m}", span_label(month_of(year, month.month)), count, max(8, round(100 * count / most)))
            for month, count in within
        ]
        yield Mark(str(year), span_label(year_of(year)), sum(one.count for one in marks)), marks


def _address(**params: object) -> str:
    return f"{reverse('timeline')}?{urlencode(params)}"
