"""What holds for every answer: errors that say what is wrong, also to programs, and what a page may load."""

import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search import decoding, storage, upgrades, uploads
from search.api.problems import Problem, is_for_programs
from search.conflicts import is_conflict, is_overtaken
from search.embedding import Busy, Loading, ModelUnavailable
from search.hashing import Crowded
from search.indexing.chosen import one_choice
from search.limits import TooMany
from search.limits.words import advice_of, problem_of
from search.monitoring import recording, scraping
from search.monitoring.requests import path_of
from search.refusals import REFUSED, refusal
from search.room import no_room
from search.storage import StorageUnavailable
from search.vectors import WrongVectors
from search.views import health

logger = logging.getLogger(__name__)

RETRY = {"Retry-After": "30"}
RETRY_SOON = {"Retry-After": "5"}
_SAFE = {"GET", "HEAD", "OPTIONS"}


class OneChoice:
    """Has a request answered with one pair of models from its beginning to its end, whatever is chosen meanwhile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with one_choice():
            return self.get_response(request)


class HealthChecks:
    """Answers a load balancer, and who reads the metrics, before anything asks who it is: they call by address and
    over plain http."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.checks = {
            "/healthz": health.healthz,
            "/readyz": health.readyz,
            "/metrics": scraping.metrics_or(get_response),
        }

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


class BodyLimits:
    """Refuses a body that is longer than its address takes, before it is read; one in chunks as soon as it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        told = str(request.META.get("CONTENT_LENGTH") or "")
        length = int(told) if told.isdecimal() else 0
        if not length:
            return None
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name == uploads.MANY_PICTURES and settings.UPLOAD_LOGIN_REQUIRED and not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        most = uploads.most_bytes(name)
        body: Any = request.META.get("wsgi.input")
        if getattr(body, "is_in_chunks", False):
            body.limit_to(most, uploads.TooLarge(most))  # its length is not told before its end
        elif length > most:
            from search.views.errors import bad_request  # noqa: PLC0415 - which builds on this module

            # Not raised: with DEBUG on, as at home, Django would show where in the code that was.
            picture = length if name in uploads.ONE_PICTURE else None
            return bad_request(request, uploads.TooLarge(most, picture=picture))
        if not uploads.fits_the_disk(min(length, most)):
            return unavailable_page(request, uploads.DiskFull())
        request.upload_handlers = [uploads.LimitedUploadHandler(request, uploads.files_taken(name))]
        return None


class Unavailable:
    """Answers 503, with a page that needs none of them, when a part is not there or was left out of an upgrade, and to
    whom the server has no time for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        if why := request.META.get(REFUSED):
            return unavailable_page(request, uploads.DiskFull()) if why == "full" else refusal(request, why)
        try:
            upgrades.require_migrated()
            if not is_for_programs(request):
                upgrades.require_collected()
        except (upgrades.NotUpgraded, OperationalError, InterfaceError) as error:
            return unavailable_page(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable_page(request, error)


def _overtaken_page(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the 409 page for what others came before with, or the same for programs; None for another error."""
    if request.method in _SAFE:
        return None
    if is_conflict(error):
        problem = _("Somebody else is changing the same pictures.")
        advice, code = _("Nothing was changed. Try again in a moment."), "conflict"
    elif is_overtaken(error):
        problem = _("Somebody else has changed or deleted this meanwhile.")
        advice, code = _("Nothing was changed. Go back, and look at it again."), "overtaken"
    else:
        return None
    # Of what was overtaken it must be seen whether it was us who left out to look.
    logger.warning("409 for %s: %s", path_of(request), error, exc_info=error if code == "overtaken" else None)
    if is_for_programs(request):
        return Problem(409, problem, advice, code, headers=RETRY_SOON).to_response()
    page = render(None, "error.html", {"problem": problem, "advice": advice}, status=409)
    page["Retry-After"] = RETRY_SOON["Retry-After"]
    return page


def _too_many_page(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the page for what was done too often (429) or by too many at once (503), or the same for programs; None
    for another error. What is counted is logged there."""
    if isinstance(error, TooMany):
        status, problem, advice, code = 429, problem_of(error), advice_of(error), "too_many"
        retry = {"Retry-After": str(error.seconds)}
    elif isinstance(error, Crowded):
        status, problem, code = 503, _("Many people are logging in at this moment."), "no_time"
        advice, retry = _("Try again in a few seconds."), RETRY_SOON
    else:
        return None
    response: HttpResponse
    if is_for_programs(request):
        response = Problem(status, problem, advice, code, headers=retry).to_response()
    else:
        response = render(None, "error.html", {"problem": problem, "advice": advice}, status=status)
        response["Retry-After"] = retry["Retry-After"]
    # Django would write a line for each, of which there may be thousands.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _not_yet(error: Exception) -> tuple[str, str, str, dict[str, str]]:
    """Problem, advice, the part that is missing, and when to try again."""
    if isinstance(error, decoding.NoDecoder):
        return _("Pictures can't be opened just now."), "", "decoder", RETRY
    if isinstance(error, Loading):
        problem = _("The search is starting.")
    elif isinstance(error, decoding.Busy):
        problem = _("Many people are sending pictures at this moment.")
    else:
        problem = _("Many people are searching at this moment.")
    return problem, _("Try again in a few seconds."), "time", RETRY_SOON


def unavailable_page(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the page that says which part is missing (503), who came between (409) or what was too much (429), or the
    same for programs.

    None for another error.
    """
    if page := _too_many_page(request, error) or _overtaken_page(request, error):
        return page
    retry = RETRY
    if isinstance(error, (Busy, decoding.Busy, decoding.NoDecoder)):
        problem, advice, part, retry = _not_yet(error)
    elif isinstance(error, (ModelUnavailable, WrongVectors)):
        problem, advice = _("Searching and adding pictures is not possible just now: a model is missing."), str(error)
        part = "model"
    elif isinstance(error, uploads.DiskFull) or (request.method not in _SAFE and no_room(error)):
        problem = _("There is no room here just now for what you send.")
        advice, part = _("Nothing was added. Try again later, and tell the people who run this site."), "disk"
    elif isinstance(error, StorageUnavailable):
        problem, advice, part = _("The place where the pictures are kept does not answer."), "", "storage"
        retry = RETRY_SOON  # what hangs is tried again every other second
    elif isinstance(error, (OperationalError, InterfaceError)):
        # By a lock over a whole table, say, as while it is migrated.
        is_busy = is_conflict(error)
        problem = _("The database is busy.") if is_busy else _("The database does not answer.")
        advice, part = "", "database"
    elif left_out := upgrades.left_out(error):
        problem, advice, part = _("This site is being updated."), str(left_out), left_out.part
    else:
        return None
    logger.error("503 for %s: %s", path_of(request), error)
    recording.unavailable(part)
    if is_for_programs(request):
        return Problem(503, problem, advice, f"no_{part}", headers=retry).to_response()
    is_for_people = part in {"time", "disk"}
    context = {
        "problem": problem,
        "told": advice if is_for_people else "",
        "advice": "" if is_for_people else advice,
        "is_bare": part == upgrades.NotCollected.part,
    }
    # Without the request: its user and session live in the database.
    response = render(None, "503.html", context, status=503)
    response["Retry-After"] = retry["Retry-After"]
    return response


class StyleNonce:
    """The word by which a page says that a <style> is its own: made when the page asks for it, anew each time."""

    value = ""

    def __str__(self) -> str:
        self.value = self.value or secrets.token_urlsafe(16)
        return self.value


class ContentSecurityPolicy:
    """Lets pages load scripts, styles and pictures from here alone, and pictures from the object storage too; and use
    none of the parts of a device that no page of ours needs."""

    UNUSED = ", ".join(
        f"{part}=()"
        for part in (
            "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope",
            "magnetometer", "microphone", "midi", "payment", "publickey-credentials-get", "screen-wake-lock",
            "serial", "usb", "xr-spatial-tracking",
        )
    )  # fmt: skip

    STYLES = "style-src 'self'"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        pictures = " ".join(["'self'", "data:", "blob:", *storage.origins()])
        self.policy = "; ".join(
            [
                "default-src 'self'",
                f"img-src {pictures}",
                self.STYLES,
                "object-src 'none'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            ]
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        nonce = StyleNonce()
        request.style_nonce = nonce  # type: ignore[attr-defined] # for templates
        response = self.get_response(request)
        styles = f"{self.STYLES} 'nonce-{nonce}'" if nonce.value else self.STYLES
        response.headers.setdefault("Content-Security-Policy", self.policy.replace(self.STYLES, styles))
        response.headers.setdefault("Permissions-Policy", self.UNUSED)
        return response
