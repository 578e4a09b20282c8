"""Short pages for what went wrong, in the person's words; programs get the same words as JSON.

They need neither the database nor a session.
"""

import sys
from typing import Any

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search.api.problems import Problem, is_for_programs
from search.middleware import unavailable_page


def error_page(request: HttpRequest, status: int, problem: str, advice: str) -> HttpResponse:
    if is_for_programs(request):
        return Problem(status, problem, advice).to_response()
    return render(None, "error.html", {"problem": problem, "advice": advice}, status=status)


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        return _unknown_host(request)
    if isinstance(exception, RequestDataTooBig):
        return error_page(request, 413, _("What was sent is too large."), _("Send less at once."))
    return error_page(request, 400, _("That request can't be understood."), _("Go back and try again."))


def _unknown_host(request: HttpRequest) -> HttpResponse:
    name = request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", "")
    return error_page(
        request,
        400,
        _("This site does not answer to the name %(name)s.") % {"name": name[:100]},
        _("Use the address that you were given. Whoever runs this site can add names with ALLOWED_HOSTS."),
    )


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return error_page(request, 403, _("You may not do that."), _("Log in with an account that may."))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_page(
        request,
        403,
        _("This form has expired, or your browser does not keep our cookie."),
        _("Allow cookies for this site, go back, load the page again and send it once more."),
    )


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return error_page(
        request,
        404,
        _("There is nothing here."),
        _("The picture or page may have been removed, or its address mistyped."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Whatever escaped the views: a part that is down gives 503 here too, as when a session can't be read."""
    error = sys.exc_info()[1]
    down = unavailable_page(request, error) if isinstance(error, Exception) else None
    return down or error_page(
        request, 500, _("Something went wrong on our side."), _("It has been noted. Try again in a moment.")
    )
