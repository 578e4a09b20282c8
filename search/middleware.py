"""What holds for every answer: errors that say what is wrong, also to programs, and what a page may load."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search import storage, upgrades
from search.api.problems import Problem, is_for_programs
from search.embedding import Busy, ModelUnavailable
from search.storage import StorageUnavailable
from search.views import health

logger = logging.getLogger(__name__)

RETRY = {"Retry-After": "30"}
RETRY_SOON = {"Retry-After": "5"}


class HealthChecks:
    """Answers a load balancer before anything asks who it is: it calls by address and over plain http."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.checks = {"/healthz": health.healthz, "/readyz": health.readyz}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.checks.get(request.path_info, self.get_response)(request)


class HeadLikeGet:
    """Answers HEAD wherever GET is answered: with the same status and headers, and without the body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "HEAD":
            return self.get_response(request)
        if is_for_programs(request):
            request.method = "GET"  # the API's operations have one method each
        response = self.get_response(request)
        request.method = "HEAD"
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = ()
        elif isinstance(response, HttpResponse):
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response


class MethodNotAllowed:
    """Tells which methods an address takes: a view that refuses one answers without words."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        methods = {method.strip() for method in response.headers["Allow"].split(",")}
        allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        if is_for_programs(request):
            return Problem(
                405,
                _("This address does not take this method."),
                _("It takes: %(methods)s.") % {"methods": allowed},
                headers={"Allow": allowed},
            ).to_response()
        context = {
            "problem": _("This address can't be opened like a page."),
            "advice": _("It takes what a form of this site sends. Go back, and use the form."),
        }
        page = render(None, "error.html", context, status=405)
        page["Allow"] = allowed
        return page

    def process_view(self, request: HttpRequest, view: Any, *_called_with: Any) -> HttpResponse | None:
        methods = getattr(view, "methods", None)
        return HttpResponseNotAllowed(methods) if methods and request.method not in methods else None


class Unavailable:
    """Answers 503, with a page that needs none of them, when a part is not there or was left out of an upgrade."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        try:
            upgrades.require_migrated()
            if not is_for_programs(request):
                upgrades.require_collected()
        except (upgrades.NotUpgraded, OperationalError, InterfaceError) as error:
            return unavailable_page(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable_page(request, error)


def unavailable_page(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the 503 page that says which part is missing, or the same for programs; None for another error."""
    retry = RETRY
    if isinstance(error, Busy):
        problem, advice = _("Many people are searching at this moment."), _("Try again in a few seconds.")
        part, retry = "time", RETRY_SOON
    elif isinstance(error, ModelUnavailable):
        problem, advice = _("Searching and adding pictures is not possible just now: a model is missing."), str(error)
        part = "model"
    elif isinstance(error, StorageUnavailable):
        problem, advice, part = _("The place where the pictures are kept does not answer."), "", "storage"
    elif isinstance(error, (OperationalError, InterfaceError)):
        problem, advice, part = _("The database does not answer."), "", "database"
    elif left_out := upgrades.left_out(error):
        problem, advice, part = _("This site is being updated."), str(left_out), left_out.part
    else:
        return None
    logger.error("503 for %s: %s", request.path, error)
    if is_for_programs(request):
        return Problem(503, problem, advice, f"no_{part}", headers=retry).to_response()
    context = {"problem": problem, "advice": advice, "is_bare": part == upgrades.NotCollected.part}
    # Without the request: its user and session live in the database.
    response = render(None, "503.html", context, status=503)
    response["Retry-After"] = retry["Retry-After"]
    return response


class ContentSecurityPolicy:
    """Lets pages load scripts, styles and pictures from here alone, and pictures from the object storage."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        pictures = " ".join(["'self'", "data:", "blob:", *storage.origins()])
        self.policy = "; ".join(
            [
                "default-src 'self'",
                f"img-src {pictures}",
                # Placeholders and colours are inline styles.
                "style-src 'self' 'unsafe-inline'",
                "object-src 'none'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            ]
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        return response
