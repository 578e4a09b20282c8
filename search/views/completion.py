"""Suggestions while typing into the search box."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control

from search.completion import suggest
from search.http.methods import require_safe
from search.views.images import may_see_places


@require_safe
@cache_control(private=True, no_cache=True)
def suggestions(request: HttpRequest) -> HttpResponse:
    """Render the options for the text up to the cursor, `?q=`; empty where there are none."""
    context = {"suggestions": suggest(request.GET.get("q", ""), places=may_see_places(request))}
    return render(request, "search/_partials/suggestions.jinja", context, using="jinja2")
