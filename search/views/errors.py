"""Error pages; programs get the same texts as problem details.

They need neither the database nor a session.
"""

import logging
import sys
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from imagesearch.logs import current_request
from search.containers.errors import too_many_bytes
from search.http.body_limits import TooLarge
from search.http.problems import Problem, is_for_programs
from search.http.unavailable import unavailable_page
from search.http.unsent_forms import Unsent, unsent
from search.views.csrf import Refusal, why_refused

logger = logging.getLogger(__name__)

_ICONS = {403: "lock", 404: "search", 413: "upload", 500: "repair"}
"""The icon of a page by its status."""


def error_page(
    request: HttpRequest,
    status: int,
    problem: str,
    advice: str,
    for_operators: str = "",
    code: str = "",
    *,
    again: Unsent | None = None,
    login: str = "",
) -> HttpResponse:
    """`again` is a form to be sent again, after logging in at `login` if that is given."""
    if is_for_programs(request):
        detail = " ".join(filter(None, [advice, for_operators]))
        return Problem(status, problem, detail, code).to_response()
    context = {
        "problem": problem,
        "advice": advice,
        "for_operators": for_operators,
        "icon": _ICONS.get(status, "page"),
        "again": again,
        "login": login,
    }
    return _framed(request, context, status) or render(None, "error.html", context, status=status)


def _framed(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse | None:
    """Return the error within the site's layout; None for other clients than browsers, for server errors, and where
    the database, which the layout needs, is down."""
    is_page = "text/html" in request.headers.get("Accept", "") and not getattr(request, "htmx", False)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not is_page or not hasattr(request, "user"):
        return None
    try:
        return render(request, "error.html", {**context, "frame": "base.html"}, status=status)
    except DatabaseError as error:
        logger.warning("The page of a %s is without its menu: %s", status, error)
        return None


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    status, refusal = _what_is_bad(request, exception)
    return error_page(request, status, refusal.problem, refusal.advice, refusal.for_operators)


def _what_is_bad(request: HttpRequest, error: Any) -> tuple[int, Refusal]:
    if isinstance(error, TooLarge):
        return 413, _too_large(error)
    if isinstance(error, RequestDataTooBig):
        limit = filesizeformat(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        advice = _("Without its files, a form can have at most %(limit)s. Shorten the text.") % {"limit": limit}
        return 413, Refusal(_("The data you sent is too large."), advice)
    if isinstance(error, TooManyFilesSent):
        advice = _("At most %(limit)s pictures can be uploaded at once.") % {"limit": settings.UPLOAD_MAX_FILES}
        return 413, Refusal(_("Too many files were sent at once."), advice)
    if isinstance(error, TooManyFieldsSent):
        limit = f"{settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,}"
        advice = _("At most %(limit)s values are accepted at once. Choose fewer.") % {"limit": limit}
        # The values of a URL are sent whatever is done with them.
        return 400 if request.method in {"GET", "HEAD"} else 413, Refusal(_("Too much data was sent at once."), advice)
    if isinstance(error, MultiPartParserError):
        return 400, Refusal(_("The data you sent arrived damaged or incomplete."), _("Go back and send it again."))
    if isinstance(error, DisallowedHost):
        return 400, _unknown_name(request)
    return 400, Refusal(_("This request can't be processed."), _("Go back and try again."))


def _too_large(error: TooLarge) -> Refusal:
    if error.picture is not None:
        message = too_many_bytes(error.picture, settings.UPLOAD_MAX_MB * 1_000_000)
        return Refusal(str(message), _("Save the picture in a smaller size, then try again."))
    advice = _("At most %(limit)s can be sent at once.") % {"limit": filesizeformat(error.limit)}
    return Refusal(_("The data you sent is too large."), advice)


def _unknown_name(request: HttpRequest) -> Refusal:
    text = _(
        "The request that reached this server is for “%(host)s”. If this is an address of the site, "
        "add it to ALLOWED_HOSTS."
    )
    return Refusal(
        _("This site can't be reached under this address."),
        _("Use the address that you were given. If it is this one, inform the site administrator."),
        text % {"host": request.META.get("HTTP_HOST", "")[:200]},
    )


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return error_page(
        request, 403, _("You don't have permission to do that."), _("Log in with an account that has permission.")
    )


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    refusal = why_refused(request, reason)
    form = unsent(request) if refusal.has_expired else None
    advice = _("Nothing was saved, but this page keeps what you typed.") if form else refusal.advice
    return error_page(request, 403, refusal.problem, advice, refusal.for_operators, "csrf", again=form)


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return error_page(
        request,
        404,
        _("This page does not exist."),
        _("The picture or page may have been removed, or the address may be mistyped."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Any unhandled exception: 503 if a dependency is down, as when a session can't be read, else 500."""
    error = sys.exc_info()[1]
    down = unavailable_page(request, error) if isinstance(error, Exception) else None
    if down:
        return down
    advice = _("The problem was logged. Try again in a moment.")
    if number := current_request.get():
        note = _("If you contact the site administrator, mention the number of this request: %(number)s") % {
            "number": number
        }
        advice = f"{advice} {note}"
    return error_page(request, 500, _("A server error occurred."), advice)
