"""Known devices: browsers in which an account has logged in, so that others who guess its password can't lock it
out."""

import secrets
import unicodedata
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

_KEPT = 180 * 24 * 3600
_SALT = "known device"


def folded(name: str) -> str:
    """Return the name in the form that is counted: spellings that look alike are one."""
    return unicodedata.normalize("NFKC", name).casefold()


def device_of(request: HttpRequest, name: str) -> str:
    """Return the id of this browser if the account of this name has logged in with it; else ""."""
    try:
        known: Any = signing.loads(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=_SALT, max_age=_KEPT)
    except signing.BadSignature:
        return ""
    return str(known[1]) if known[0] == folded(name) else ""


def remember_device(request: HttpRequest, response: HttpResponse, name: str) -> None:
    device = device_of(request, name) or secrets.token_urlsafe(12)
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps([folded(name), device], salt=_SALT),
        max_age=_KEPT,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
