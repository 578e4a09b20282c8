"""The search page, and searching by an uploaded picture or one from a URL."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control

from search.decoding import Source
from search.duplicates.folded_results import fold
from search.example_searches import example_queries, shown_things
from search.facets import facets_of
from search.fetching import RefusedAddress, fetch_picture, may_search_by_address
from search.http.forms import PictureForm, check_size
from search.http.methods import require_http_methods, require_safe
from search.imaging import Reason, UnreadableImage
from search.limits.searches import count_search
from search.models import QueryPicture
from search.query import BadQuery, Kind, NoSuchQuery, Part, SearchQuery, remember_picture
from search.query.viewer import asker
from search.retrieval import PER_PAGE, ResultPage, find
from search.retrieval.search_scope import Scope
from search.state.search_statistics import counted
from search.text.numbers import whole_number
from search.views.images import (
    may_see_hidden,
    may_see_places,
    refuse_query,
    rights,
)
from search.views.neighbours import lead_back
from search.views.result_options import facets_to_choose

WHAT_IS_ASKED_FOR = ["HX-Request", "HX-Target"]
"""Vary headers of URLs that serve a whole page, the part of it that depends on the search, or further results."""


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """`/` and `/search?q=`: the search box, and results by relevance. htmx requests further results only."""
    part = request.htmx.target if request.htmx else ""  # type: ignore[attr-defined]
    if not part and "" in request.GET.values():  # empty fields of a form
        return redirect(_without_empty_fields(request))
    try:
        query = SearchQuery.from_params(request.GET)
        refuse_query(request, query)
        if part == "filters-panel":
            counts = Scope(query, private=True).counts
            context = {
                "query": query,
                "facets": facets_to_choose(facets_of(query, counts, places=may_see_places(request)), counts),
                "facets_counts": counts,
            }
            return _answered(request, "filters_panel", context)
        count_search(request, query.texts)
        with counted(query) as search_under_way:
            results = search_under_way.results = find(query, for_tiles=True)
        fold(results.images)
        lead_back(results)
    except BadQuery as problem:
        return search_page(request, status=404 if isinstance(problem, NoSuchQuery) else 400, problem=str(problem))
    if part == "more":
        context = {"query": query, "results": results, "is_more": True, "after": _after(request)}
        return _answered(request, "results", context)
    return search_page(request, query=query, results=results)


def _without_empty_fields(request: HttpRequest) -> str:
    """Return this URL without empty parameters: without scripts, browsers send each field of a form."""
    params = [(name, value) for name, values in request.GET.lists() for value in values if value]
    return f"{request.path}?{urlencode(params)}" if params else request.path


def _after(request: HttpRequest) -> int:
    """Return how many images of the page the client has already."""
    return whole_number(request.GET.get("after", ""), PER_PAGE) or 0


def search_page(
    request: HttpRequest,
    *,
    status: int = 200,
    query: SearchQuery | None = None,
    results: ResultPage | None = None,
    problem: object = "",
) -> HttpResponse:
    language = get_language() or settings.LANGUAGE_CODE
    context: dict[str, Any] = {
        "query": query or SearchQuery(),
        "results": results,
        "problem": problem,
        "examples": partial(example_queries, language),
        "things": partial(shown_things, language),
    }
    # Counting the filters costs as much as the search, and few users open them.
    if results and request.GET.get("filters") == "open":
        context |= {
            "filters_open": True,
            "facets": facets_to_choose(results.facets_shown(places=may_see_places(request)), results.counts),
            "facets_counts": results.counts,
        }
    is_part = request.htmx and request.htmx.target == "found"  # type: ignore[attr-defined]
    return _answered(request, "live_update" if is_part else "", context, status)


def _answered(request: HttpRequest, part: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Render the page, or a part of it."""
    template = f"search/_partials/{part}.jinja" if part else "search/search.jinja"
    context["may_see_hidden"] = may_see_hidden(request)
    context |= rights(request)
    response = render(request, template, context, status=status, using="jinja2")
    patch_vary_headers(response, WHAT_IS_ASKED_FOR)
    if context["may_see_hidden"] or asker().sees_private:
        patch_cache_control(response, private=True, no_cache=True)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def search_by_picture(request: HttpRequest) -> HttpResponse:
    """Save a query picture, and redirect to the search by it."""
    if request.method != "POST":  # reloaded after an error
        return redirect("search")
    form = PictureForm(request.POST, request.FILES)
    if not form.is_valid():
        return search_page(request, status=400, problem=form.errors["picture"][0])
    file = form.cleaned_data["picture"]

    def checked() -> Source:
        check_size(file)
        source: Source = file
        return source

    return _search_also_by(request, checked)


@require_http_methods(["GET", "HEAD", "POST"])
def search_by_address(request: HttpRequest) -> HttpResponse:
    """Fetch a query picture from a URL, and redirect to the search by it."""
    if request.method != "POST":  # reloaded after an error
        return redirect("search")
    if not may_search_by_address(request.user):
        off = settings.SEARCH_BY_ADDRESS == "off"
        problem = _("Search by address is disabled on this site.") if off else _("Log in to search by address.")
        return search_page(request, status=403, problem=problem)
    return _search_also_by(request, lambda: fetch_picture(request.POST.get("url", "")))


def _search_also_by(request: HttpRequest, source_of: Callable[[], Source]) -> HttpResponse:
    """Redirect to the search that the form was sent from, plus the picture that `source_of` returns."""
    present = SearchQuery()
    try:
        present = SearchQuery.from_params(request.POST)
        refuse_query(request, present)
        token = remember_picture(source_of())
        query = present.with_part(Part(Kind.PICTURE, token))
    except (BadQuery, RefusedAddress, UnreadableImage) as problem:
        return search_page(request, status=_status(request, problem), problem=str(problem), query=present)
    return HttpResponseRedirect(f"{reverse('results')}?{query.to_url()}")


def _status(request: HttpRequest, problem: Exception) -> int:
    if isinstance(problem, NoSuchQuery):
        return 404
    was_sent = bool(request.FILES)  # and not fetched from a URL
    return 413 if was_sent and isinstance(problem, UnreadableImage) and problem.code is Reason.TOO_MANY_BYTES else 400


@require_safe
@cache_control(private=True, max_age=3600)
def query_picture(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """The thumbnail of a query picture."""
    kept = QueryPicture.kept().filter(pk=token).first()
    if kept is None:
        raise Http404
    return HttpResponse(bytes(kept.rendition), content_type="image/webp")
