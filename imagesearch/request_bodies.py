"""Request bodies as the application reads them: also of unknown length, never accepted when truncated, drained before
the connection closes. `imagesearch.serving.incoming_bodies` receives them, `search.http.body_limits` limits them.

Django reads Content-Length bytes, and nothing of a chunked body without a length.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig

FORM_MB = 16
"""Megabytes allowed for a form besides its files."""
LINGER = 10
"""Seconds for which the unread rest of a body is drained."""
_PIECE = 64 * 1024
LOOKED_AT = "imagesearch.looked_at"
"""WSGI environ key of a request that is answered a second time, now with its body: rate limits don't count it
again."""
DRAINS = "imagesearch.drains"
"""WSGI environ key: the server itself drains what the application left unread."""


class BodyWanted(BaseException):
    """Raised through everything to the server by a body that must be read before the request can be answered."""


class NotYet:
    """Placeholder body of a request that is first tried by its headers alone."""

    def read(self, _size: int = -1, /) -> bytes:
        raise BodyWanted

    readline = read


class Body:
    """A request's `wsgi.input`. A chunked body is read up to the limit of a form of its kind."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._stream = environ["wsgi.input"]
        self._is_drained_for_us = DRAINS in environ
        self._socket = environ.get("gunicorn.socket")
        declared = environ.get("CONTENT_LENGTH") or ""
        # The server decodes chunks and says so; other servers leave chunks undecoded, and so must we.
        self.is_in_chunks = not declared and bool(
            environ.get("wsgi.input_terminated") and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        )
        self._left = int(declared) if declared.isdecimal() else 0
        self._too_long: Exception = RequestDataTooBig("A body in chunks is longer than a form may be.")
        if self.is_in_chunks:
            self._left = _most(environ.get("CONTENT_TYPE", ""))
            # Django relies on it. A shorter body ends where it ends.
            environ["CONTENT_LENGTH"] = str(self._left)
        self.is_unread = self._left > 0
        """Whether more of it may be readable."""
        self.most = self._left
        """Maximum bytes read."""
        environ["wsgi.input"] = self

    def limit_to(self, most: int, too_long: Exception) -> None:
        """Raise `too_long` after `most` bytes of a chunked body."""
        self.most = self._left = min(self._left, most)
        self._too_long = too_long

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes, or what is left. Raises BadRequest and RequestDataTooBig."""
        return self._counted(self._stream.read, size, whole=True)

    def readline(self, size: int = -1, /) -> bytes:
        return self._counted(self._stream.readline, size, whole=False)

    def _counted(self, read: Callable[[int], bytes], size: int, *, whole: bool) -> bytes:
        size = self._left if size is None or size < 0 else min(size, self._left)
        data = self._tried(read, size)
        self._left -= len(data)
        has_ended = len(data) < size and (whole or not data)
        if has_ended or (not self._left and not self.is_in_chunks):
            self._left, self.is_unread = 0, False
        if has_ended and not self.is_in_chunks:
            # A truncated upload could pass for complete: a picture without its lower half.
            raise BadRequest("The body ended before its Content-Length.")
        if size and not self._left and self.is_unread and self._tried(self._stream.read, 1):
            raise self._too_long
        return data

    def _tried(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except Exception as error:  # the server's own, for malformed chunks, and the connection's
            self._left, self.is_unread = 0, False
            raise BadRequest(f"The body can't be read: {error!r}") from error

    @property
    def is_to_be_discarded(self) -> bool:
        return self.is_unread and not self._is_drained_for_us

    def discard(self) -> None:
        """Drain the rest for some seconds: closing the connection while the client sends resets it, and the response
        is lost."""
        end = time.monotonic() + LINGER
        # No socket timeout: a client that sends a byte now and then would never hit it.
        last = threading.Timer(LINGER, self._hang_up)
        last.start()
        try:
            with suppress(Exception):  # whatever it is, the connection is closed anyway
                while self._stream.read(_PIECE) and time.monotonic() < end:
                    pass
        finally:
            last.cancel()

    def _hang_up(self) -> None:
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)


class Answer:
    """Django's response to a request whose body it did not read to the end."""

    def __init__(self, answer: Iterable[bytes], body: Body) -> None:
        self._answer, self._body = answer, body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Called after the response is sent."""
        close = getattr(self._answer, "close", None)
        if close:
            close()
        self._body.discard()


def _most(content_type: str) -> int:
    """Maximum bytes of a body of this type."""
    if content_type.startswith("multipart/form-data"):
        return int((max(settings.UPLOAD_MAX_REQUEST_MB, settings.UPLOAD_MAX_MB) + FORM_MB) * 1_000_000)
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or FORM_MB * 1_000_000)
