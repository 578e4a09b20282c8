"""Explanations of CSRF failures: what the visitor can do, and what the operator has to configure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import (
    REASON_BAD_ORIGIN,
    REASON_MALFORMED_REFERER,
    REASON_NO_CSRF_COOKIE,
    REASON_NO_REFERER,
    CsrfViewMiddleware,
)
from django.utils.translation import gettext as _

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """The problem, advice for the user and, where it applies, advice for the operator."""

    problem: str
    advice: str
    for_operators: str = ""
    has_expired: bool = False
    """Whether the form is one of this site, with the token of an earlier login."""


def refused_because(request: HttpRequest) -> str:
    """Return why Django would reject this request as a forgery; "" where it would not."""
    check = _Check(lambda _request: HttpResponse())
    request.csrf_processing_done = False  # type: ignore[attr-defined]
    check.process_request(request)
    # Typed as a response, but `_reject` returns the reason.
    return str(check.process_view(request, HttpResponse, (), {}) or "")


class _Check(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def why_refused(request: HttpRequest, reason: str) -> Refusal:
    """Return the explanation of `reason`, one of Django's."""
    if reason == REASON_NO_CSRF_COOKIE:
        return Refusal(
            _("Your browser did not send the cookie of this site."),
            _("Allow cookies for this site, go back, reload the page and send the form again."),
        )
    origin = request.META.get("HTTP_ORIGIN", "")
    if origin == "null" or reason in {REASON_NO_REFERER, REASON_MALFORMED_REFERER}:
        return Refusal(
            _("Your browser did not say which page this form was sent from."),
            _("A privacy setting or an extension hides it. Allow it for this site, then send the form again."),
            _(
                "A proxy that sends “Referrer-Policy: no-referrer” also makes browsers hide it. Change it to "
                "“same-origin”."
            ),
        )
    if reason.startswith((REASON_BAD_ORIGIN.partition("%")[0], "Referer checking")):
        return _from_elsewhere(request, origin or _origin_of(request.META.get("HTTP_REFERER", "")))
    return Refusal(
        _("This form has expired."),
        _("This happens when you log in or out in another tab. Go back, reload the page and send it again."),
        has_expired=True,
    )


def _from_elsewhere(request: HttpRequest, origin: str) -> Refusal:
    """The page was of another origin, or a proxy has changed the Host or scheme that this server sees."""
    ours = f"{request.scheme}://{_host(request)}"[:_LONGEST]
    names = {"origin": origin[:_LONGEST], "ours": ours}
    there, here = urlsplit(names["origin"]), urlsplit(ours)
    if there.hostname != here.hostname:
        way = _("If both belong to this site, configure the proxy to pass on the Host header as sent by the browser.")
    elif there.scheme != here.scheme:
        way = _(
            "The proxy uses TLS but does not announce it. Set HTTPS=on, and configure the proxy to send "
            "X-Forwarded-Proto."
        )
    else:
        way = _(
            "The proxy drops the port. Configure it to pass on the Host header as sent by the browser ($http_host)."
        )
    seen = _("The page is at %(origin)s, but the request that reached this server is for %(ours)s.") % names
    trust = _("If that can't be changed, set CSRF_TRUSTED_ORIGINS=%(origin)s.") % names
    return Refusal(
        _("This form was sent from %(origin)s, which is not an address of this site.") % names,
        _(
            "If another site brought you here, open this site directly and start again. If not, inform "
            "the site administrator; your browser and its cookies are not the cause."
        ),
        f"{seen} {way} {trust}",
    )


def _host(request: HttpRequest) -> str:
    try:
        return request.get_host()
    except DisallowedHost:
        return str(request.META.get("HTTP_HOST", ""))


def _origin_of(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    return f"{parts.scheme}://{parts.netloc}"
