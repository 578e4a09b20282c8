"""Connections to public addresses, under a common deadline."""

import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from django.utils.translation import gettext as _
from httpcore2 import ConnectError, ConnectTimeout, NetworkBackend, NetworkStream, ReadTimeout, SyncBackend

from search.fetching.errors import RefusedAddress
from search.fetching.url_validation import public_addresses


class Deadline:
    """A point in time by which everything must be done."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the remaining seconds. Raises ReadTimeout if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise ReadTimeout
        return left


class PublicBackend(NetworkBackend):
    """Resolves a name once, and connects to the same addresses that were checked to be public.

    Request and TLS certificate still use the name; a changed DNS answer (rebinding) has no effect.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._sockets = SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        addresses = public_addresses(host, port, self._deadline.left())
        return connected(self._sockets, addresses, port, lambda: self._deadline)


class DeadlineStream(NetworkStream):
    """A stream whose every step may take the time that remains until the current deadline.

    Timeouts of single reads would restart with each byte of a slow server.
    """

    def __init__(self, stream: NetworkStream, deadline: Callable[[], Deadline]) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline().left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline().left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        try:
            secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline().left())
        except ConnectError:
            raise RefusedAddress(_("No secure connection could be made to the server of this address.")) from None
        return DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def connected(
    sockets: SyncBackend, addresses: Sequence[str], port: int, deadline: Callable[[], Deadline]
) -> DeadlineStream:
    """Connect to the first of `addresses` that answers. Raises the error of the last one."""
    *first, last = addresses
    for tried, address in enumerate(first):
        # Divide the time among them, because many machines have IPv6 without a route.
        share = deadline().left() / (len(addresses) - tried)
        with suppress(ConnectError, ConnectTimeout):
            return DeadlineStream(sockets.connect_tcp(address, port, timeout=share), deadline)
    return DeadlineStream(sockets.connect_tcp(last, port, timeout=deadline().left()), deadline)
