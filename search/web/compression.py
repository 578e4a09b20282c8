"""Compression of text responses: a page of results is 100 kB, and 11 kB compressed."""

import re
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

_TEXT = re.compile(r"text/|application/(json|problem\+json|xml|atom\+xml|javascript|manifest\+json)|image/svg\+xml")
_WEIGHT = re.compile(r"0?\.[0-9]+|[01](\.[0-9]*)?")
LEAST = 1_000
"""Minimum bytes: what fits into one packet arrives no sooner compressed."""


class Compressed(GZipMiddleware):
    """Django's GZipMiddleware, for text that isn't streamed and isn't secret.

    The compressed size can reveal the contents of a page next to text that an attacker chose (BREACH). Django adds up
    to a hundred random bytes to each response, and masks its CSRF tokens; pages that show a secret in clear are
    `no-store`, and not compressed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not settings.COMPRESS_PAGES:
            raise MiddlewareNotUsed
        super().__init__(get_response)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not _may_be_compressed(response):
            return response
        if "gzip" not in accepted_codings(request.headers.get("Accept-Encoding", "")):
            patch_vary_headers(response, ["Accept-Encoding"])
            return response
        return super().process_response(request, response)


def accepted_codings(accept_encoding: str) -> set[str]:
    """Return the codings that this header (RFC 9110) names with a weight above 0, in lower case; none whose weight is
    malformed. Django and whitenoise only look for the name, which a client that refuses a coding sends too."""
    weights: dict[str, float] = {}
    for name, *parameters in map(_parts, accept_encoding.split(",")):
        weights[name] = min(weights.get(name, 1.0), _weight(parameters))
    return {name for name, weight in weights.items() if name and weight > 0}


def _parts(coding: str) -> list[str]:
    return ["".join(part.split()).lower() for part in coding.split(";")]


def _weight(parameters: list[str]) -> float:
    written = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
    return min((float(one) if _WEIGHT.fullmatch(one) else 0.0 for one in written), default=1.0)


def _may_be_compressed(response: HttpResponseBase) -> bool:
    if not isinstance(response, HttpResponse) or not _TEXT.match(response.headers.get("Content-Type", "")):
        return False
    control = response.headers.get("Cache-Control", "")
    return len(response.content) >= LEAST and "no-store" not in control and "no-transform" not in control
