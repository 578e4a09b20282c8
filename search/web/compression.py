"""Answers that are text go out compressed: a page of results is 100 kB, and 11 kB so."""

import re
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

_TEXT = re.compile(r"text/|application/(json|problem\+json|xml|atom\+xml|javascript|manifest\+json)|image/svg\+xml")
_REFUSED = re.compile(r"\bgzip\s*;\s*q\s*=\s*0(\.0*)?\s*(,|$)", re.IGNORECASE)
LEAST = 1_000
"""Bytes from which it is worth while: what fits one packet is no sooner there for being smaller."""


class Compressed(GZipMiddleware):
    """Django's, for what is text, made at once, and not secret.

    What a page holds beside what a stranger had it say can be guessed by how long it becomes (BREACH). Django adds up
    to a hundred random bytes to each answer, and masks its tokens anew in each; pages that show a secret in clear are
    never stored (`no-store`), and not compressed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not settings.COMPRESS_PAGES:
            raise MiddlewareNotUsed
        super().__init__(get_response)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not _may_be_compressed(response):
            return response
        if _REFUSED.search(request.headers.get("Accept-Encoding", "")):
            patch_vary_headers(response, ["Accept-Encoding"])
            return response
        return super().process_response(request, response)


def _may_be_compressed(response: HttpResponseBase) -> bool:
    if not isinstance(response, HttpResponse) or not _TEXT.match(response.headers.get("Content-Type", "")):
        return False
    told = response.headers.get("Cache-Control", "")
    return len(response.content) >= LEAST and "no-store" not in told and "no-transform" not in told
