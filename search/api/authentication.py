"""Authentication: a user's token, the session of a user who tries the API in the browser, or anonymous."""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie

from search.accounts.roles import may_add
from search.http.problems import Problem
from search.limits import address_of, count
from search.models import ApiToken
from search.views.csrf import refused_because, why_refused

_SAFE = {"GET", "HEAD", "OPTIONS"}


class Token(HttpBearer):
    """`Authorization: Bearer <token>`. An invalid token is rejected even where none is needed."""

    def authenticate(self, request: HttpRequest, token: str) -> User:
        known = ApiToken.of_secret(token.strip())
        if known is None:
            # Valid tokens are never counted: several users may share an address.
            count({"TOKENS": address_of(request)})
            raise Problem(
                401,
                _("This token is not valid."),
                _("It may have been revoked, mistyped or cut off."),
                "token_not_valid",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        request.user = known.user
        return known.user


class Session(APIKeyCookie):
    """The session of the pages. Unsafe methods also need the CSRF token, as forms do."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self) -> None:
        super().__init__(csrf=False)  # checked below, for those who have a session

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        if not request.user.is_authenticated:
            return None
        refuse_forgery(request)
        return request.user


def anybody(request: HttpRequest) -> AnonymousUser:
    """Anonymous access. Unsafe requests from a browser on another origin are rejected, unless CORS allows it."""
    origin = request.headers.get("Origin")
    if origin and origin not in settings.CORS_ALLOWED_ORIGINS:
        refuse_forgery(request)
    return AnonymousUser()


def refuse_without_role(request: HttpRequest) -> None:
    """Raise Problem for an account that may not add pictures."""
    if not may_add(request.user):
        problem = _("You may view pictures here, but not add any.")
        raise Problem(403, problem, _("Ask the site administrator for permission."), "not_allowed")


def may_upload(request: HttpRequest) -> AnonymousUser | None:
    """Anonymous access, where uploads need no login."""
    return None if settings.UPLOAD_LOGIN_REQUIRED else anybody(request)


def refuse_forgery(request: HttpRequest) -> None:
    """Raise Problem for an unsafe request without a valid CSRF token."""
    if request.method in _SAFE or not (reason := refused_because(request)):
        return
    refusal = why_refused(request, reason)
    needed = _("A page that sends requests without a token must include the CSRF token of this site.")
    detail = " ".join(filter(None, [refusal.advice, refusal.for_operators, needed]))
    raise Problem(403, refusal.problem, detail, "csrf")
