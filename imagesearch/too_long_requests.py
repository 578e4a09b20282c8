"""Requests whose URL or headers are too long to parse: gunicorn's worker answers them with our error page."""

import logging
import re
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import set_script_prefix
from django.utils import translation
from django.utils.translation import gettext as _
from gunicorn.http import message
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine

from imagesearch.base_path import below_base_path
from imagesearch.serving.request_language import language_of

logger = logging.getLogger(__name__)

TOO_LONG = (LimitRequestLine, LimitRequestHeaders)
_KEPT = 200
_OF_LANGUAGE = re.compile(rb"^(accept-language|cookie):[ \t]*([^\r\n]{,16384})", re.IGNORECASE | re.MULTILINE)
_read_line = message.Request.read_line


def _read_line_or_keep_its_beginning(self: Any, unreader: Any, buffer: Any, limit: int = 0) -> Any:
    """Keep the beginning of a line that is too long: gunicorn drops it, and the response depends on it."""
    try:
        return _read_line(self, unreader, buffer, limit)
    except LimitRequestLine as error:
        error.beginning = bytes(buffer[:_KEPT])
        raise


def answer(client: Any, address: Any, error: BaseException) -> None:
    """Answer a request that failed to parse because of `error`, one of TOO_LONG."""
    logger.warning("Too long a request from %s: %s", address and address[0], error)
    with suppress(OSError):
        client.sendall(refusal(error))


def refusal(error: BaseException) -> bytes:
    """Return a whole HTTP response; gunicorn's own has neither our texts nor problem details for programs.

    `error` has the request's `head` as far as it has arrived, where our event loop read it.
    """
    from search.views.errors import error_page  # noqa: PLC0415 - needs Django to be set up

    head = getattr(error, "head", b"") or getattr(error, "beginning", b"")
    method, _space, target = head[:_KEPT].partition(b" ")
    request = HttpRequest()
    request.path_info = below_base_path(re.split(r"[?\s]", target.decode("latin-1"))[0])
    # A thread that has answered no request yet does not know it.
    set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    headers = [(name.decode(), value.decode("latin-1")) for name, value in _OF_LANGUAGE.findall(head)]
    with translation.override(language_of(headers)):
        if isinstance(error, LimitRequestLine):
            words = _("This address is too long."), _("Shorten your search, then try again.")
            answer = error_page(request, 414, *words)
        else:
            problem = _("Your browser sent more headers than this server accepts.")
            advice = _("Cookies are the usual cause. Delete the cookies of this site, then try again.")
            answer = error_page(request, 431, problem, advice)
    return _written(answer, with_body=method != b"HEAD")


def _written(answer: HttpResponse, *, with_body: bool) -> bytes:
    answer["Content-Length"] = str(len(answer.content))
    answer["Connection"] = "close"
    head = f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\r\n".encode() + answer.serialize_headers()
    return head + b"\r\n\r\n" + (answer.content if with_body else b"")


message.Request.read_line = _read_line_or_keep_its_beginning
