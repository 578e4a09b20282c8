"""A request body while our worker receives it, decoded by gunicorn's own parsers, before the application reads it
(`imagesearch.request_bodies`)."""

import io
import tempfile
from collections.abc import Callable
from typing import Any

from gunicorn.asgi.parser import PythonProtocol
from gunicorn.http.body import ChunkedReader, LengthReader

from search.http import body_limits

SMALL = 16 * 1024
"""Bytes of a body that are received before the application is asked whether it wants it."""
_IN_MEMORY = 80 * 1024
_BETWEEN_LOOKS = 4_000_000
"""Bytes written between two checks of the free disk space."""
_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


class Received:
    """The body so far, as `wsgi.input`: in memory while small, else in an anonymous temporary file."""

    def __init__(self, keep: Callable[[int], None], folder: str | None) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=folder)  # noqa: SIM115 - closed by close
        self._keep, self._looked_at = keep, 0
        self.size = self.on_disk = 0

    def write(self, data: bytes) -> None:
        """Raises DiskFull."""
        size = self.size + len(data)
        if size > _IN_MEMORY:
            if size - self._looked_at > _BETWEEN_LOOKS or not self.on_disk:
                self._looked_at = size
                if not body_limits.fits_the_disk(_BETWEEN_LOOKS):
                    raise body_limits.DiskFull
            self._keep(size - self.on_disk)
            self.on_disk = size
        with body_limits.disk_full_raised():
            self._file.write(data)
        self.size = size

    def rewind(self) -> None:
        with body_limits.disk_full_raised():
            self._file.seek(0)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)

    def readline(self, size: int = -1, /) -> bytes:
        return self._file.readline(size)

    def close(self) -> None:
        self._keep(-self.on_disk)
        self.on_disk = 0
        self._file.close()


class Nothing(io.BytesIO):
    """The body of a request that has none."""


class WithLength:
    """Splits off a body with a Content-Length."""

    is_chunked = False

    def __init__(self, length: int) -> None:
        self.left = self.length = length

    @property
    def is_complete(self) -> bool:
        return not self.left

    def feed(self, data: bytes, take: Callable[[bytes], None]) -> bytes:
        """Pass on what belongs to the body, and return what follows it."""
        body = data[: self.left]
        self.left -= len(body)
        take(body)
        return data[len(body) :]


class InChunks:
    """Decodes a chunked body. Raises gunicorn's ParseError."""

    is_chunked = True
    length = None

    def __init__(self, cfg: Any) -> None:
        self._take: Callable[[bytes], None] = lambda _data: None
        self._parser = PythonProtocol(
            on_body=lambda data: self._take(data),  # noqa: PLW0108 - self._take changes with each call
            limit_request_fields=cfg.limit_request_fields,
            limit_request_field_size=cfg.limit_request_field_size,
        )
        # Put the parser into the state after the head.
        self._parser.feed(_HEAD)

    @property
    def is_complete(self) -> bool:
        return bool(self._parser.is_complete)

    def feed(self, data: bytes, take: Callable[[bytes], None]) -> bytes:
        self._take = take
        self._parser.feed(data)
        return bytes(self._parser.remaining())


Framing = WithLength | InChunks


def framing(request: Any) -> Framing | None:
    """Return the decoder for the body of gunicorn's `request`; None where it has none."""
    reader = request.body.reader
    if isinstance(reader, ChunkedReader):
        return InChunks(request.cfg)
    assert isinstance(reader, LengthReader)
    return WithLength(reader.length) if reader.length else None
