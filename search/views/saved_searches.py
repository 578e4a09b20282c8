"""A user's saved searches: new matches, names and feeds."""

import datetime as dt
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from search.embedding import ModelUnavailable
from search.http.id_parsing import moment_of
from search.http.methods import require_http_methods, require_POST, require_safe
from search.models import Arrival, SavedSearch
from search.query import BadQuery, NoSuchQuery
from search.query.saved_searches import clean_name, read_query, save_search
from search.retrieval import find
from search.retrieval.new_matches import Window, count_new, new_matches
from search.templatetags.pictures import search_url
from search.text.numbers import whole_number
from search.views.errors import error_page

MOST_NEW = 100
"""Maximum of new pictures counted, and shown on a page; more are "100 or more"."""
COUNTED_AMONG = 4_000
"""Maximum of arrivals checked for each search of the list: fifty of them cost a second at most."""
COVER = 400
COVER_SECONDS = 600
"""Seconds for which a browser keeps the cover of a saved search."""
_LATEST = 2**63 - 1


@dataclass(frozen=True)
class Listed:
    """A saved search in the list; `new` is None where it can't be counted, and `problem` says why.

    `has_more` if not all arrivals were checked, or there are more matches than are counted.
    """

    saved: SavedSearch
    new: int | None = None
    problem: str = ""
    has_more: bool = False


@require_http_methods(["GET", "HEAD", "POST"])
def save(request: HttpRequest) -> HttpResponse:
    """Save the search in the field `query`, and redirect to its results."""
    if request.method != "POST":  # reloaded after an error
        return redirect("saved-searches")
    address = request.POST.get("query", "")
    try:
        query = read_query(address)
        back = search_url(query)
        if not request.user.is_authenticated:
            return redirect_to_login(back)
        saved, is_new = save_search(request.user, query, request.POST.get("name", ""))
    except BadQuery as problem:
        status = 404 if isinstance(problem, NoSuchQuery) else 400
        return error_page(request, status, str(problem), _("Go back and try again."))
    text = (
        _("Saved as “%(name)s” in your saved searches.")
        if is_new
        else _("You have already saved this search as “%(name)s”.")
    )
    messages.success(request, text % {"name": saved.name})
    return HttpResponseRedirect(back)


@login_required
@require_safe
@never_cache
def saved_searches(request: HttpRequest) -> HttpResponse:
    """The user's saved searches, with their numbers of new pictures."""
    assert request.user.is_authenticated
    saved_by_user = list(SavedSearch.objects.filter(user=request.user))
    recent = Window.since(0).newest(COUNTED_AMONG) if saved_by_user else Window(0, 0)
    searches = [_listed(saved, recent) for saved in saved_by_user]
    return render(request, "search/saved_searches.html", {"searches": searches})


def _listed(saved: SavedSearch, recent: Window) -> Listed:
    try:
        seen = saved.told
        window = replace(recent, after=max(seen, recent.after))
        new = count_new(read_query(saved.query), window, MOST_NEW)
        return Listed(saved, new, has_more=new == MOST_NEW or seen < recent.after)
    except BadQuery as problem:
        return Listed(saved, problem=str(problem))
    except ModelUnavailable:
        return Listed(saved, problem=_("New pictures can't be shown right now, because a model is missing."))


@login_required
@require_safe
def cover(request: HttpRequest, search_id: int) -> HttpResponse:
    """Redirect to the thumbnail of its best result. Raises Http404 if nothing is found."""
    saved = _own(request, search_id)
    try:
        found = find(read_query(saved.query), for_tiles=True).images
    except (BadQuery, ModelUnavailable):
        found = []
    if not found:
        raise Http404
    response = HttpResponseRedirect(reverse("rendition", args=[found[0].pk, COVER]))
    patch_cache_control(response, private=True, max_age=COVER_SECONDS)
    return response


@login_required
@require_safe
@never_cache
def saved_search(request: HttpRequest, search_id: int) -> HttpResponse:
    """The new matches of a saved search. The URL has the start of the window, so that the page can be reloaded.

    It has the number of the last arrival that the user has seen, and the time for display; URLs of older versions have
    only the time. Further pages have an upper number too, so that new arrivals don't shift them.
    """
    saved = _own(request, search_id)
    since, now = moment_of(request.GET.get("since", "")), timezone.now()
    if since is None:
        params = {"after": saved.told, "since": saved.last_seen.astimezone(dt.UTC).isoformat()}
        return HttpResponseRedirect(f"{saved.get_absolute_url()}?{urlencode(params)}")
    after, to = (whole_number(request.GET.get(name, ""), _LATEST) for name in ("after", "to"))
    window = Window.since(Arrival.number_at(since) if after is None else after)
    if to is not None:
        window = replace(window, to=min(to, window.to))
    context: dict[str, object] = {"saved": saved, "since": since}
    try:
        query = read_query(saved.query)
        news = new_matches(query, window, MOST_NEW)
        further = news.rest and {"after": window.after, "to": news.rest.to, "since": request.GET["since"]}
        context |= {"query": query, "images": news.images, "further": further and urlencode(further)}
    except BadQuery as problem:
        context |= {"problem": str(problem)}
    response = render(request, "search/saved_search.html", context)
    if request.method == "GET" and "images" in context:
        saved.note_seen(now, window.to)
    return response


@login_required
@require_POST
def rename(request: HttpRequest, search_id: int) -> HttpResponse:
    saved = _own(request, search_id)
    name = clean_name(request.POST.get("name", ""))
    if not name:
        return error_page(request, 400, _("Enter a name for the saved search."), _("Go back and try again."))
    SavedSearch.objects.filter(pk=saved.pk).update(name=name)
    messages.success(request, _("Renamed to “%(name)s”.") % {"name": name})
    return redirect("saved-searches")


@login_required
@require_POST
def delete(request: HttpRequest, search_id: int) -> HttpResponse:
    saved = _own(request, search_id)
    saved.delete()
    messages.success(request, _("“%(name)s” and its feed were deleted.") % {"name": saved.name})
    return redirect("saved-searches")


def _own(request: HttpRequest, search_id: int) -> SavedSearch:
    """Return a saved search of the user. Raises Http404, also for those of others."""
    assert request.user.is_authenticated
    return get_object_or_404(SavedSearch, user=request.user, pk=search_id)
