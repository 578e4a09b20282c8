"""robots.txt."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.views.decorators.cache import cache_control

from search.http.methods import require_safe

_LEFT_ALONE = [
    # A page of results links to a hundred other searches, each of which links to a hundred more: an endless crawl of
    # expensive pages that show nothing beyond the image pages.
    "search",
    # The same pictures again, by month.
    "timeline/",
    "map/",
    # Copies made on each request, and forms.
    "images/*/download",
    "images/*/region",
    "images/*/report/",
    "albums/*/",
    "selection/",
    # Secret URLs.
    "sets/",
    "feeds/",
    # Pages of one user, or for programs.
    "account/",
    "accounts/",
    "admin/",
    "api/",
    "language/",
    "saved/",
    "share/",
    "upload/",
    # The page without a connection.
    "offline/",
]


@require_safe
@cache_control(public=True, max_age=24 * 3600)
def robots(request: HttpRequest) -> HttpResponse:
    """Crawlers may read the start page, the image pages it leads to, similar ones, and their thumbnails; nothing where
    a login is needed."""
    root = get_script_prefix()
    left_alone = _LEFT_ALONE if settings.SITE_ACCESS == "public" else [""]
    lines = ["User-agent: *", *(f"Disallow: {root}{path}" for path in left_alone)]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")
