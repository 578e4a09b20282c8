"""The body of a request while it arrives, cut from what the connection brings by gunicorn's own parsers."""

import io
import tempfile
from collections.abc import Callable
from typing import Any

from gunicorn.asgi.parser import PythonProtocol
from gunicorn.http.body import ChunkedReader, LengthReader

from search.http import upload_handlers

SMALL = 16 * 1024
"""Bytes of a body that are taken before anybody is asked whether it is wanted."""
_IN_MEMORY = 80 * 1024
_BETWEEN_LOOKS = 4_000_000
"""Bytes that are written before the folder's room is looked at again."""
_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


class Received:
    """What there is of a body, as `wsgi.input`: in memory while small, else in a temporary file that has no name."""

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
                if not upload_handlers.fits_the_disk(_BETWEEN_LOOKS):
                    raise upload_handlers.DiskFull
            self._keep(size - self.on_disk)
            self.on_disk = size
        with upload_handlers.disk_full_raised():
            self._file.write(data)
        self.size = size

    def rewind(self) -> None:
        with upload_handlers.disk_full_raised():
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
    """Cuts off a body whose length is told."""

    is_chunked = False

    def __init__(self, length: int) -> None:
        self.left = self.length = length

    @property
    def is_complete(self) -> bool:
        return not self.left

    def feed(self, data: bytes, take: Callable[[bytes], None]) -> bytes:
        """Hand on what belongs to the body, and return what follows it."""
        body = data[: self.left]
        self.left -= len(body)
        take(body)
        return data[len(body) :]


class InChunks:
    """Cuts a body out of its chunks. Raises gunicorn's ParseError."""

    is_chunked = True
    length = None

    def __init__(self, cfg: Any) -> None:
        self._take: Callable[[bytes], None] = lambda _data: None
        self._parser = PythonProtocol(
            on_body=lambda data: self._take(data),  # noqa: PLW0108 - another one each time
            limit_request_fields=cfg.limit_request_fields,
            limit_request_field_size=cfg.limit_request_field_size,
        )
        # Its head has been read, and its body begins.
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
    """Return how the body of gunicorn's `request` is cut off; None where it has none."""
    reader = request.body.reader
    if isinstance(reader, ChunkedReader):
        return InChunks(request.cfg)
    assert isinstance(reader, LengthReader)
    return WithLength(reader.length) if reader.length else None
