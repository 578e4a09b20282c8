"""The head of a request, parsed by gunicorn from what has arrived so far."""

from typing import Any
from urllib.parse import quote

from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

_ASCII = "".join(map(chr, range(128)))


class More(Exception):
    """The parser needs more data."""


class _Arrived(Unreader):  # type: ignore[misc]
    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def chunk(self, _size_hint: int | None = None) -> bytes:
        data, self._data = self._data, b""
        if not data:
            raise More
        return data


def may_be_whole(data: bytearray, count: int) -> bool:
    """Whether a head may have ended within the last `count` bytes.

    A cheap check of when to parse; the parser says where the head ends.
    """
    latest = data[-count - 2 :]
    return b"\n\r\n" in latest or b"\n\n" in latest


def _in_ascii(data: bytes) -> bytes:
    """Encode what is not ASCII in the first line: curl sends `?q=고양이` as it is typed, and gunicorn refuses it."""
    line, end, rest = data.partition(b"\r\n")
    return data if line.isascii() else quote(line, safe=_ASCII).encode() + end + rest


def head(cfg: Any, data: bytes, client: Any, number: int) -> tuple[Any, bytes]:
    """Return gunicorn's request, the connection's `number`-th, and what follows its head.

    Raises More, and gunicorn's errors for malformed requests.
    """
    arrived = _Arrived(_in_ascii(data))
    request = Request(cfg, arrived, client, number)
    return request, arrived.take_buffered()
