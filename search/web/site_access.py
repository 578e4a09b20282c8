"""Access to the site. Unless SITE_ACCESS is "public", every URL requires a login but for the few listed here, so that
a new one is closed by default."""

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from search.http.problems import Problem, is_for_programs
from search.http.unavailable import unavailable_page
from search.limits import TooMany, address_of, count
from search.models import ApiToken
from search.query.viewer import asked_by

OPEN_VIEWS = {
    *("login", "enter-code", "sign-up", "reset-password", "choose-password", "logout", "set_language", "robots"),
    *("manifest", "service-worker", "offline"),
}
"""URL names that need no login: what logging in takes, robots.txt, and what installs the app."""
_FAVICON = "/favicon.ico"
_FEED = "feed"


def is_shut(request: HttpRequest) -> bool:
    """Whether this request needs a login to see anything."""
    return settings.SITE_ACCESS != "public" and not (hasattr(request, "user") and request.user.is_authenticated)


class SiteAccess:
    """Requires a login where SITE_ACCESS says so; programs send a token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with asked_by(lambda: request.user):
            response = self.get_response(request)
        if settings.SITE_ACCESS != "public":
            # Shared caches must not serve one user's response to others.
            patch_cache_control(response, private=True)
            patch_vary_headers(response, ["Cookie", "Authorization"])
        return response

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        if not is_shut(request):
            return None
        try:
            return _denial(request)
        except TooMany as error:
            return unavailable_page(request, error)


def _denial(request: HttpRequest) -> HttpResponse | None:
    """Return the response to a request without access; None where it may pass."""
    name = request.resolver_match.view_name if request.resolver_match else ""
    if name in OPEN_VIEWS or request.path_info == _FAVICON:
        return None
    if is_for_programs(request):
        return _token_denial(request)
    if name == _FEED:
        return None if _has_token(request) else _basic_auth_needed(request)
    if request.htmx:  # type: ignore[attr-defined] # a part of a page can't become the login
        page = request.htmx.current_url_abs_path or reverse("search")  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(f"{reverse('login')}?{urlencode({'next': page})}")
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseRedirect(reverse("login"))
    return redirect_to_login(request.get_full_path())


def _token_denial(request: HttpRequest) -> HttpResponse | None:
    """Return the error for a program with a missing or wrong token; None for a valid one."""
    from search.api.authentication import Token  # noqa: PLC0415 - imports ninja, which no page needs
    from search.api.errors import token_needed  # noqa: PLC0415

    try:
        return None if Token()(request) else token_needed().to_response()
    except Problem as problem:
        return problem.to_response()


def _has_token(request: HttpRequest) -> bool:
    """Whether a feed reader sends a valid token as the password of HTTP Basic: it can't log in on a page."""
    kind, _space, credentials = request.headers.get("Authorization", "").partition(" ")
    if kind.casefold() != "basic":
        return False
    try:
        _name, _colon, secret = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    if ApiToken.of_secret(secret.strip()) is not None:
        return True
    count({"TOKENS": address_of(request)})
    return False


def _basic_auth_needed(request: HttpRequest) -> HttpResponse:
    context = {
        "problem": _("This feed requires an account."),
        "advice": _("In your feed reader, enter your user name, and a token from your account as the password."),
    }
    response = render(None, "error.html", context, status=401)
    response["WWW-Authenticate"] = 'Basic realm="pictures", charset="UTF-8"'
    return response
