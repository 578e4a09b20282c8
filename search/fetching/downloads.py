"""Downloads from URLs that an operator lists: in parallel, with limits per host and retries of temporary failures."""

import email.utils
import ipaddress
import socket
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from httpcore2 import (
    URL,
    ConnectError,
    ConnectionPool,
    NetworkBackend,
    NetworkError,
    NetworkStream,
    ProtocolError,
    Response,
    SyncBackend,
    TimeoutException,
)

from search.fetching import url_validation
from search.fetching.connections import Deadline, connected
from search.fetching.errors import NotDownloaded, RefusedAddress
from search.fetching.responses import body_within, header
from search.imaging import too_many_bytes

AT_ONCE = 8
"""Concurrent requests to one host."""
SECONDS = 60.0
"""Time limit of an attempt, from name resolution to the last byte."""
WAITS = (1.0, 4.0, 15.0)
"""Seconds before each retry, unless the server says otherwise."""
LONGEST_WAIT = 60.0
"""Maximum seconds that a server may ask to wait; if it asks for more, its files are left to the next run."""
MOST_FAILURES = 8
"""Consecutive URLs of one host that may fail after all retries, before it counts as unavailable."""
AWAY = 600.0
"""Seconds for which an unavailable host gets no requests, which covers the rest of most runs."""
MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_OF_HOST = {429, 503}
_CONNECTIONS = 64
_LONGEST_SHOWN = 200
"""Characters of a URL in messages."""


class _Failed(Exception):
    """An attempt failed temporarily. `wait` is the number of seconds the server asked for, if any.

    `is_of_host` says whether other URLs of the server are likely to fail as well.
    """

    def __init__(self, reason: str, host: "_Host", *, wait: float | None = None, is_of_host: bool = True) -> None:
        super().__init__(reason)
        self.host, self.wait, self.is_of_host = host, wait, is_of_host


@dataclass
class _Host:
    """State of a server, by name and port, shared by the threads that send it requests."""

    turns: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))
    rests_until: float = 0.0
    left_until: float = 0.0
    why_left: str = ""
    failures: int = 0
    timeouts: int = 0

    def refuse_if_left(self) -> None:
        """Raise NotDownloaded while this server gets no requests."""
        if time.monotonic() < self.left_until:
            raise NotDownloaded(self.why_left)

    def asks_to_wait(self, seconds: float) -> None:
        """Delay requests of all threads to this server; beyond LONGEST_WAIT stop them, so as not to block threads that
        other servers need."""
        if seconds > LONGEST_WAIT:
            self._leave(seconds, f"The server asks to wait {seconds:,.0f} s: left to the next run.")
        else:
            self.rests_until = max(self.rests_until, time.monotonic() + seconds)

    def has_timed_out(self) -> None:
        """Count a request that got no response in time; its server is not waited for again and again."""
        self.timeouts += 1
        if self.timeouts >= MOST_FAILURES:
            self._leave(AWAY, f"The server did not respond in time, {self.timeouts} times: left to the next run.")

    def has_responded(self) -> None:
        self.failures = self.timeouts = 0

    def has_failed(self, reason: str) -> None:
        """Count a URL that failed after all retries."""
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            self._leave(AWAY, f"{reason} {self.failures} addresses in a row failed: left to the next run.")

    def _leave(self, seconds: float, why: str) -> None:
        self.left_until, self.why_left = time.monotonic() + seconds, why


class Downloads:
    """Downloads from many threads at once, over persistent connections."""

    def __init__(self, *, private_addresses: bool = False, pause: Callable[[float], None] = time.sleep) -> None:
        """Without `private_addresses`, hosts in private networks are refused."""
        self._backend = _Backend(private_addresses=private_addresses)
        self._pool = ConnectionPool(
            network_backend=self._backend,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS // 2,
            keepalive_expiry=15,
        )
        self._pause = pause
        self._hosts: defaultdict[tuple[bytes, int], _Host] = defaultdict(_Host)

    def get(self, address: str, *, most_bytes: int) -> bytes:
        """Return the content of an http or https URL. Raises NotDownloaded."""
        url = _parsed(address)
        for wait in (*WAITS, None):
            try:
                return self._followed(url, most_bytes)
            except _Failed as failure:
                if wait is None:
                    if failure.is_of_host:
                        failure.host.has_failed(str(failure))
                    patience = f" It asks to wait {failure.wait:,.0f} s." if failure.wait else ""
                    raise NotDownloaded(f"{failure}{patience}") from None
                failure.host.refuse_if_left()
                # Never sooner than without the server's wish: "0", or a date that is over, would mean a burst.
                self._pause(max(wait, failure.wait or 0))
        raise AssertionError("the last try returns or raises")

    def _followed(self, url: httpx2.URL, most_bytes: int) -> bytes:
        self._backend.deadline = Deadline(SECONDS)
        for _hop in range(1 + MOST_REDIRECTS):
            host = self._hosts[url.raw_host, url.port or (443 if url.scheme == "https" else 80)]
            host.refuse_if_left()
            if (rest := host.rests_until - time.monotonic()) > 0:
                self._pause(rest)
                self._backend.deadline = Deadline(SECONDS)
            with host.turns:
                host.refuse_if_left()
                found = self._found(url, host, most_bytes)
            host.has_responded()
            if isinstance(found, bytes):
                return found
            url = found
        raise NotDownloaded(f"The address redirects more than {MOST_REDIRECTS} times.")

    def _found(self, url: httpx2.URL, host: _Host, most_bytes: int) -> bytes | httpx2.URL:
        try:
            return self._asked(url, host, most_bytes)
        except TimeoutException:
            host.has_timed_out()
            raise _Failed("The server does not respond in time.", host) from None
        except (NetworkError, ProtocolError) as error:
            raise _Failed(
                f"The server does not respond, or closes the connection ({error or 'no reason known'}).", host
            ) from None
        except RefusedAddress:
            raise NotDownloaded("No secure connection could be made to the server.") from None
        except NotDownloaded:
            host.has_responded()
            raise

    def _asked(self, url: httpx2.URL, host: _Host, most_bytes: int) -> bytes | httpx2.URL:
        """Return the content at `url`, or the URL to which it redirects."""
        target = URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers = [
            ("Host", url.netloc.decode("ascii")),
            ("User-Agent", "imagesearch (ingest)"),
            ("Accept", "image/*, */*;q=0.5"),
            ("Accept-Encoding", "identity"),
        ]
        with self._pool.stream("GET", target, headers=headers) as response:
            location = header(response, b"location")
            if response.status in _REDIRECTS and location:
                return _parsed(location, url)
            if response.status in _PASSING:
                wait = _seconds(header(response, b"retry-after"), header(response, b"date"))
                host.asks_to_wait(wait or 0)
                reason = f"The server returned the error {response.status}."
                raise _Failed(reason, host, wait=wait, is_of_host=response.status in _OF_HOST)
            if response.status != 200:
                raise NotDownloaded(f"The server returned the error {response.status}.")
            if header(response, b"content-type").lower().startswith("text/html"):
                raise NotDownloaded("The server sends a page, not a picture.")
            return _body(response, most_bytes)


def _parsed(address: str, base: httpx2.URL | None = None) -> httpx2.URL:
    try:
        url = base.join(address) if base else httpx2.URL(address)
        is_valid = url_validation.is_host(url.raw_host.decode("ascii")) and (url.port is None or 0 < url.port < 65_536)
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise NotDownloaded(f"{_short(address)} is not a valid address.") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise NotDownloaded(f"{_short(address)} is not an http or https address.")
    if url.userinfo:
        raise NotDownloaded("An address with a user name or password in it is refused.")
    if not is_valid:
        raise NotDownloaded(f"{_short(address)} is not a valid address.")
    return url


def _short(address: str) -> str:
    return repr(address) if len(address) <= _LONGEST_SHOWN else f"{address[:_LONGEST_SHOWN]!r}..."


def _seconds(text: str, now: str = "") -> float | None:
    """Return the seconds in a Retry-After header, which has seconds or a date; None if invalid. `now` is the server's
    Date header: its clock may be wrong."""
    if text.isascii() and text.isdigit():
        return float(text)
    until = _timestamp(text)
    return None if until is None else max(0.0, until - (_timestamp(now) or time.time()))


def _timestamp(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _body(response: Response, most_bytes: int) -> bytes:
    body = body_within(response, most_bytes)
    encoding = header(response, b"content-encoding").lower().strip()
    if body is not None and encoding not in ("", "identity"):
        body = _decompressed(body, encoding, most_bytes)
    if body is None:
        announced = header(response, b"content-length")
        if announced and int(announced) > most_bytes:
            raise NotDownloaded(str(too_many_bytes(int(announced), most_bytes)))
        raise NotDownloaded(f"The file has more than {most_bytes / 1e6:,.10g} MB.")
    return body


def _decompressed(body: bytes, encoding: str, most_bytes: int) -> bytes | None:
    """Return a body that the server compressed although it was asked not to; None if it has more than `most_bytes`
    bytes."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise NotDownloaded(f"The server sends it compressed ({_short(encoding)}), although it was asked not to.")
    try:
        decompressed = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, most_bytes + 1)
    except zlib.error:
        raise NotDownloaded("The server sends it compressed, and damaged.") from None
    return decompressed if len(decompressed) <= most_bytes else None


class _Backend(NetworkBackend):
    """Connects to the same addresses that were checked, with a deadline per thread."""

    def __init__(self, *, private_addresses: bool) -> None:
        self._private_addresses = private_addresses
        self._sockets = SyncBackend()
        self._of_thread = threading.local()

    @property
    def deadline(self) -> Deadline:
        deadline: Deadline = self._of_thread.deadline
        return deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._of_thread.deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        found = self._looked_up(host, port)
        if not found:
            raise ConnectError(f"{host} has no address.")
        return connected(self._sockets, found, port, lambda: self.deadline)

    def _looked_up(self, host: str, port: int) -> list[str]:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"{host} can't be looked up: {error}") from error
        found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        if not self._private_addresses and not all(
            url_validation.is_public(ipaddress.ip_address(one)) for one in found
        ):
            raise NotDownloaded(
                f"{host} is in a private network. If you trust the table, use --allow-private-addresses."
            )
        return found
