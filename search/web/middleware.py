"""Middleware for every response: errors with words, also for programs, and security headers."""

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
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from search.http import body_limits
from search.http.problems import Problem, is_for_programs
from search.http.unavailable import unavailable_page
from search.metrics import exposition
from search.models.active_pair import one_choice
from search.monitoring import upgrades
from search.objects import storage
from search.views import health
from search.web.refusal_pages import REFUSED, refusal

logger = logging.getLogger(__name__)


class OneChoice:
    """Pins the pair of models for the whole request, whatever is activated meanwhile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with one_choice():
            return self.get_response(request)


class RequestLanguage:
    """Activates the language of the request for what comes before Django's LocaleMiddleware, whose errors would have
    that of the thread's last request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        translation.activate(translation.get_language_from_request(request))
        return self.get_response(request)


class HealthChecks:
    """Answers load balancers and metrics scrapers before host and HTTPS checks: they call by IP address and over plain
    http."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.checks = {
            "/healthz": health.healthz,
            "/readyz": health.readyz,
            "/metrics": exposition.metrics_or(get_response),
        }

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.checks.get(request.path_info, self.get_response)(request)


class HeadLikeGet:
    """Answers HEAD like GET, without the body."""

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


class MethodNotAllowed(MiddlewareMixin):
    """Adds a page and the allowed methods to 405 responses, which Django leaves empty."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        # Preflights, the only OPTIONS that are answered, do not get here.
        methods = {method.strip() for method in response.headers["Allow"].split(",")} - {"OPTIONS"}
        allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        if is_for_programs(request):
            return Problem(
                405,
                _("This address does not support this method."),
                _("Supported methods: %(methods)s.") % {"methods": allowed},
                headers={"Allow": allowed},
            ).to_response()
        if "GET" in methods:
            problem = _("This address does not support this method.")
            advice = _("Supported methods: %(methods)s.") % {"methods": allowed}
        else:
            problem = _("This address can't be opened as a page.")
            advice = _("It only accepts data from a form of this site. Go back and use the form.")
        page = render(None, "error.html", {"problem": problem, "advice": advice}, status=405)
        page["Allow"] = allowed
        return page

    def process_view(self, request: HttpRequest, view: Any, *_called_with: Any) -> HttpResponse | None:
        methods = getattr(view, "methods", None)
        if not methods and not getattr(view, "csrf_exempt", False):
            # Views of Django name none, and would take any other method for GET or POST, or report a missing cookie.
            methods = ("GET", "HEAD") if is_for_programs(request) else ("GET", "HEAD", "POST")
        return HttpResponseNotAllowed(methods) if methods and request.method not in methods else None


class BodyLimits(MiddlewareMixin):
    """Rejects a body above the limit of its URL before it is read; a chunked one once it exceeds the limit."""

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        header = str(request.META.get("CONTENT_LENGTH") or "")
        length = int(header) if header.isdecimal() else 0
        if not length:
            return None
        if request.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}:
            from search.views.errors import error_page  # noqa: PLC0415 - which imports this module

            words = _("Compressed data can't be read."), _("Send the data without Content-Encoding.")
            return error_page(request, 415, *words)
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name == body_limits.MANY_PICTURES and settings.UPLOAD_LOGIN_REQUIRED and not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        most = body_limits.most_bytes(name)
        body: Any = request.META.get("wsgi.input")
        if getattr(body, "is_in_chunks", False):
            body.limit_to(most, body_limits.TooLarge(most))  # its length is known only at its end
        elif length > most:
            from search.views.errors import bad_request  # noqa: PLC0415 - which imports this module

            # Not raised: with DEBUG on, as at home, Django would show a traceback.
            picture = length if name in body_limits.ONE_PICTURE else None
            return bad_request(request, body_limits.TooLarge(most, picture=picture))
        if not body_limits.fits_the_disk(min(length, most)):
            return unavailable_page(request, body_limits.DiskFull())
        request.upload_handlers = [body_limits.LimitedUploadHandler(request, body_limits.files_taken(name))]
        return None


class Unavailable(MiddlewareMixin):
    """Answers 503, with a page that needs neither database nor static files, when a dependency is down, an upgrade is
    incomplete, or the server is overloaded."""

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        if why := request.META.get(REFUSED):
            return unavailable_page(request, body_limits.DiskFull()) if why == "full" else refusal(request, why)
        try:
            upgrades.require_migrated()
            if not is_for_programs(request):
                upgrades.require_collected()
        except (upgrades.NotUpgraded, OperationalError, InterfaceError) as error:
            return unavailable_page(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable_page(request, error)


class StyleNonce:
    """The nonce of a page's own <style>: generated when the page uses it, new for each response."""

    value = ""

    def __str__(self) -> str:
        self.value = self.value or secrets.token_urlsafe(16)
        return self.value


class ContentSecurityPolicy:
    """Limits scripts and styles to this site, pictures to this site and the object storage; disables device features
    that no page uses."""

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
