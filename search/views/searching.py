"""The search page, and searching by a picture that is shown or whose address is given."""

import uuid
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control

from search.decoding import Source
from search.fetching import RefusedAddress, fetch_picture, may_search_by_address
from search.forms import PictureForm, check_size
from search.imaging import Reason, UnreadableImage
from search.limits.searches import count_search
from search.models import QueryPicture
from search.querying import BadQuery, Kind, NoSuchQuery, Part, SearchQuery, example_queries, find, remember_picture
from search.views.methods import require_http_methods, require_safe

WHAT_IS_ASKED_FOR = ["HX-Request", "HX-Target"]
"""The headers by which an address has a page, the part of it that depends on the search, or further results."""


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """`/` and `/search?q=`: the box, and the results nearest first. htmx asks for the next results alone."""
    try:
        query = SearchQuery.from_params(request.GET)
        count_search(request, query.texts)
        results = find(query)
    except BadQuery as problem:
        return search_page(request, status=404 if isinstance(problem, NoSuchQuery) else 400, problem=str(problem))
    if request.htmx and request.htmx.target == "more":  # type: ignore[attr-defined]
        response = render(request, "search/_partials/results.html", {"query": query, "results": results})
        patch_vary_headers(response, WHAT_IS_ASKED_FOR)
        return response
    return search_page(request, query=query, results=results)


def search_page(request: HttpRequest, *, status: int = 200, **context: object) -> HttpResponse:
    examples = partial(example_queries, get_language() or settings.LANGUAGE_CODE)
    context = {"query": SearchQuery(), "examples": examples, "picture_form": PictureForm(), **context}
    is_part = request.htmx and request.htmx.target == "found"  # type: ignore[attr-defined]
    template = "search/_partials/live.html" if is_part else "search/search.html"
    response = render(request, template, context, status=status)
    patch_vary_headers(response, WHAT_IS_ASKED_FOR)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def search_by_picture(request: HttpRequest) -> HttpResponse:
    """Take a picture to search by, and lead to the address of that search."""
    if request.method != "POST":  # the address bar of a refused picture, asked for again
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
    """Fetch a picture from the web to search by, and lead to the address of that search."""
    if request.method != "POST":  # the address bar of a refused address, asked for again
        return redirect("search")
    if not may_search_by_address(request.user):
        off = settings.SEARCH_BY_ADDRESS == "off"
        problem = _("Searching by address is switched off here.") if off else _("Log in to search by an address.")
        return search_page(request, status=403, problem=problem)
    return _search_also_by(request, lambda: fetch_picture(request.POST.get("url", "")))


def _search_also_by(request: HttpRequest, source_of: Callable[[], Source]) -> HttpResponse:
    """Lead to the search that the form was sent from, and by the picture that `source_of` returns besides."""
    present = SearchQuery()
    try:
        present = SearchQuery.from_params(request.POST)
        token = remember_picture(source_of())
        query = present.with_part(Part(Kind.PICTURE, token))
    except (BadQuery, RefusedAddress, UnreadableImage) as problem:
        return search_page(request, status=_status(request, problem), problem=str(problem), query=present)
    return HttpResponseRedirect(f"{reverse('results')}?{query.to_url()}")


def _status(request: HttpRequest, problem: Exception) -> int:
    if isinstance(problem, NoSuchQuery):
        return 404
    was_sent = bool(request.FILES)  # and not fetched from an address
    return 413 if was_sent and isinstance(problem, UnreadableImage) and problem.code is Reason.TOO_MANY_BYTES else 400


@require_safe
@cache_control(private=True, max_age=3600)
def query_picture(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """The small copy of a picture that was searched by."""
    kept = QueryPicture.kept().filter(pk=token).first()
    if kept is None:
        raise Http404
    return HttpResponse(bytes(kept.rendition), content_type="image/webp")
