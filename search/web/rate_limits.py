"""Rate limits by URL, applied before the body is read."""

from types import MappingProxyType
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from imagesearch.request_bodies import LOOKED_AT
from search.http.unavailable import unavailable_page
from search.limits.clients import counting_key
from search.limits.counting import TooMany, count

_SENT = MappingProxyType(
    {
        "sign-up": "SIGN_UPS",
        "reset-password": "PASSWORDS",
        "choose-password": "PASSWORDS",
        "report": "REPORTS",
        "share-selection": "SETS",
        "download-selection": "ZIPS",
        "download-album": "ZIPS",
        "download-shared-album": "ZIPS",
        "save-search": "SAVED_SEARCHES",
        "search-by-picture": "QUERY_PICTURES",
        "search-by-address": "QUERY_PICTURES",
        "search-by-region": "QUERY_PICTURES",
        "api:search-picture": "QUERY_PICTURES",
        "upload": "UPLOADS",
        "api:add-image": "UPLOADS",
    }
)
"""URL names of POST requests, with the limit that counts them."""
_ASKED_FOR = MappingProxyType({"download": "DOWNLOADS"})
"""URL names of GET requests with a limit."""


class Counted(MiddlewareMixin):
    """Answers 429 for what is done too often. Staff are exempt."""

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        kinds = _SENT if request.method == "POST" else _ASKED_FOR
        kind = kinds.get(name)
        if kind is None or LOOKED_AT in request.META or request.user.is_staff:
            return None
        try:
            count({kind: counting_key(request)})
        except TooMany as error:
            return unavailable_page(request, error)
        return None
