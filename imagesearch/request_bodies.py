"""Bodies of requests: of unknown length too, never taken for whole when they broke off, and read before the goodbye.

Django reads as many bytes as Content-Length says, and none of a body that comes in chunks and says nothing.
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
"""What a form may hold besides its files."""
LINGER = 10
"""Seconds for which the rest of a body is read that nobody wanted."""
_PIECE = 64 * 1024
LOOKED_AT = "imagesearch.looked_at"
"""In the environment of a request that is asked again, with its body, which was wanted: what is counted of it is."""
DRAINS = "imagesearch.drains"
"""In the environment of a request whose server reads by itself what nobody wanted of the body."""


class BodyWanted(BaseException):
    """Raised to the server, through everything, by a body that it is to read before the request is answered."""


class NotYet:
    """Stands for a body whose request is looked at first: to be answered by its headers alone, if it can be."""

    def read(self, _size: int = -1, /) -> bytes:
        raise BodyWanted

    readline = read


class Body:
    """What a request carries, as `wsgi.input`. One in chunks is read up to what a form of its kind may hold."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._stream = environ["wsgi.input"]
        self._is_drained_for_us = DRAINS in environ
        self._socket = environ.get("gunicorn.socket")
        told = environ.get("CONTENT_LENGTH") or ""
        # As the server does, which says so; others leave chunks as they are, and so must we.
        self.is_in_chunks = not told and bool(
            environ.get("wsgi.input_terminated") and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        )
        self._left = int(told) if told.isdecimal() else 0
        self._too_long: Exception = RequestDataTooBig("A body in chunks is longer than a form may be.")
        if self.is_in_chunks:
            self._left = _most(environ.get("CONTENT_TYPE", ""))
            # Django goes by it. A body that is shorter ends where it ends.
            environ["CONTENT_LENGTH"] = str(self._left)
        self.is_unread = self._left > 0
        """Whether there may be more of it that can be read."""
        self.most = self._left
        """Bytes that are taken of it at most."""
        environ["wsgi.input"] = self

    def limit_to(self, most: int, too_long: Exception) -> None:
        """Raise `too_long` after `most` bytes of one in chunks."""
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
            # What came so far could pass for the whole: a picture that lacks its lower half.
            raise BadRequest("The body ended before its Content-Length.")
        if size and not self._left and self.is_unread and self._tried(self._stream.read, 1):
            raise self._too_long
        return data

    def _tried(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except Exception as error:  # the server's own, for chunks that are none, and those of the connection
            self._left, self.is_unread = 0, False
            raise BadRequest(f"The body can't be read: {error!r}") from error

    @property
    def is_to_be_discarded(self) -> bool:
        return self.is_unread and not self._is_drained_for_us

    def discard(self) -> None:
        """Read what is left of it for some seconds: to close a connection on a client that is sending tears it off,
        and the answer is lost with it."""
        end = time.monotonic() + LINGER
        # No timeout of the socket: a client that sends a byte now and then would never meet it.
        last = threading.Timer(LINGER, self._hang_up)
        last.start()
        try:
            with suppress(Exception):  # whatever it is, the connection is of no more use
                while self._stream.read(_PIECE) and time.monotonic() < end:
                    pass
        finally:
            last.cancel()

    def _hang_up(self) -> None:
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)


class Answer:
    """Django's answer to a request whose body it did not read, or not to the end."""

    def __init__(self, answer: Iterable[bytes], body: Body) -> None:
        self._answer, self._body = answer, body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Called when the answer is sent."""
        close = getattr(self._answer, "close", None)
        if close:
            close()
        self._body.discard()


def _most(content_type: str) -> int:
    """Bytes that a body of this kind may have."""
    if content_type.startswith("multipart/form-data"):
        return int((max(settings.UPLOAD_MAX_REQUEST_MB, settings.UPLOAD_MAX_MB) + FORM_MB) * 1_000_000)
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or FORM_MB * 1_000_000)
