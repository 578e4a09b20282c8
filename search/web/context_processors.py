"""Template context of every page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from search.accounts.roles import may_add
from search.embedding import is_demo_model
from search.fetching import may_search_by_address
from search.views.images import may_see_map
from search.web.gate import is_shut


def site(request: HttpRequest) -> dict[str, Any]:
    return {
        "demo_model": is_demo_model(),
        "sign_up_open": settings.SIGN_UP != "off",
        "sends_mail": settings.SENDS_MAIL,
        "is_shut": is_shut(request),
        "may_upload": hasattr(request, "user") and may_add(request.user),
        "may_see_map": hasattr(request, "user") and may_see_map(request),
        "address_search_off": settings.SEARCH_BY_ADDRESS == "off",
        "may_search_by_address": hasattr(request, "user") and may_search_by_address(request.user),
    }
