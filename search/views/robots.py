"""What search engines are asked to leave alone."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.views.decorators.cache import cache_control

from search.http.methods import require_safe

_LEFT_ALONE = [
    # A page of results leads to a hundred other searches, each of which leads to a hundred more: there is no end to
    # them, each costs a search, and they show nothing that the pages of the pictures don't.
    "search",
    # The same pictures once more, from each month on.
    "timeline/",
    "map/",
    # Copies made from the original for each that asks, and forms.
    "images/*/download",
    "images/*/region",
    "images/*/report/",
    "albums/*/",
    "selection/",
    # Addresses that only those know who were given them.
    "sets/",
    "feeds/",
    # What belongs to one person, or to programs.
    "account/",
    "accounts/",
    "admin/",
    "api/",
    "language/",
    "saved/",
    "share/",
    "upload/",
    # What is shown where there is no connection.
    "offline/",
]


@require_safe
@cache_control(public=True, max_age=24 * 3600)
def robots(request: HttpRequest) -> HttpResponse:
    """The start page, the pages of pictures that it leads to, those like them, and their thumbnails may be read;
    nothing where people must log in."""
    root = get_script_prefix()
    left_alone = _LEFT_ALONE if settings.SITE_ACCESS == "public" else [""]
    lines = ["User-agent: *", *(f"Disallow: {root}{path}" for path in left_alone)]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")
