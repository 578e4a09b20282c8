"""The head of a request, parsed by gunicorn from what has arrived so far."""

from typing import Any

from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader


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


def head(cfg: Any, data: bytes, client: Any, number: int) -> tuple[Any, bytes]:
    """Return gunicorn's request, the connection's `number`-th, and what follows its head.

    Raises More, and gunicorn's errors for malformed requests.
    """
    arrived = _Arrived(data)
    request = Request(cfg, arrived, client, number)
    return request, arrived.take_buffered()
