"""`python -m reliability.slow_clients`: 500 connections that hardly move, and how others fare meanwhile.

A hundred each send the head of a request a byte a second, send a body so, take a large answer so, connect and say
nothing, and keep a connection for a request now and then. Who is cut off comes again at once.
"""

import http.client
import re
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from reliability import site_under_test as sites

EACH = 100
SEARCHES = 60
AT_MOST = 2.0
"""Times the usual median."""
AT_ONCE = 0.25
"""Seconds for /healthz."""
_HEAD = b"GET /search?q=red HTTP/1.1\r\nHost: localhost\r\nX-Padding: " + b"a" * 4000
_BODY = (
    b"POST /search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=between\r\n"
    b"Cookie: csrftoken=" + b"a" * 32 + b"\r\n"
    b"Content-Length: 5000000\r\n\r\n--between\r\nContent-Disposition: form-data; name=picture; filename=a.jpg\r\n\r\n"
)
_AGAIN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Attack:
    """The connections, all in one thread: each does a little, once a second."""

    port: int
    download: bytes
    """A request for megabytes."""
    stop: threading.Event = field(default_factory=threading.Event)
    cut_off: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    open: int = 0

    def run(self) -> None:
        kinds: list[Callable[[int], _Slow]] = [
            lambda at: _Slow("head", at, _HEAD[:20], _HEAD[20:]),
            lambda at: _Slow("body", at, _BODY, b"x" * 4_000_000),
            lambda at: _Slow("reader", at, self.download, b"", reads=1),
            lambda at: _Slow("idle", at, b"", b""),
            lambda at: _Slow("keep-alive", at, b"", b"", again=_AGAIN, reads=65536),
        ]
        slow = [make(self.port) for make in kinds for _ in range(EACH)]
        while not self.stop.is_set():
            start = time.monotonic()
            for one in slow:
                ended = one.step()
                if ended is not None:
                    self.cut_off[one.kind] += 1
                    self.told[f"{one.kind}: {ended}"] += 1
            self.open = sum(one.socket is not None for one in slow)
            self.stop.wait(max(0.0, 1 - (time.monotonic() - start)))
        for one in slow:
            one.close()


class _Slow:
    def __init__(self, kind: str, port: int, first: bytes, rest: bytes, again: bytes = b"", reads: int = 0) -> None:
        self.kind, self.port, self.first, self.rest, self.again, self.reads = kind, port, first, rest, again, reads
        self.socket: socket.socket | None = None
        self.sent, self.seen = 0, b""

    def step(self) -> str | None:
        """Do a little; return how the connection ended, when it has."""
        try:
            if self.socket is None:
                self._connect()
                return None
            if self.rest:
                self.sent += self.socket.send(self.rest[self.sent : self.sent + 1])
            if self.again:
                self.socket.sendall(self.again)
            return self._look()
        except BlockingIOError:
            return None
        except OSError:
            ended = self.close()
            with suppress(OSError):
                self._connect()
            return ended

    def _connect(self) -> None:
        self.sent, self.seen = 0, b""
        made = socket.socket()
        if self.reads == 1:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.settimeout(2)
        made.connect(("127.0.0.1", self.port))
        made.sendall(self.first)
        made.setblocking(False)
        self.socket = made

    def _look(self) -> str | None:
        assert self.socket
        data = self.socket.recv(self.reads or 4096)
        if len(self.seen) < 12:
            self.seen += data[:12]
        if not data:
            raise ConnectionResetError
        return None

    def close(self) -> str:
        if self.socket:
            self.socket.close()
        self.socket = None
        return self.seen[9:12].decode() or "closed"


def _download_request(port: int) -> bytes:
    """Return a request for a ZIP of many pictures."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    ids: list[str] = []
    token = cookie = ""
    for page in range(1, 14):
        connection.request("GET", f"/search?q=star&page={page}")
        answer = connection.getresponse()
        body = answer.read().decode()
        cookie = cookie or (answer.headers["Set-Cookie"] or "").split(";")[0]
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', body)
        token = token or (found[1] if found else "")
        ids += re.findall(r'href="/images/([0-9a-f-]{36})/', body)
    form = "&".join([f"csrfmiddlewaretoken={token}", *(f"id={one}" for one in dict.fromkeys(ids))]).encode()
    head = (
        f"POST /selection/download HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    return head.encode() + form


def _fare(site: sites.Site, start: int) -> tuple[list[float], list[float], int]:
    """Return the seconds of searches and of /healthz, and how many failed."""
    searches, health, failed = [], [], 0
    for number in range(start, start + SEARCHES):
        status, took = site.get(sites.new_search(number), timeout=30)
        searches.append(took)
        failed += status != 200
        status, took = site.get("/healthz", timeout=30)
        health.append(took)
        failed += status != 200
    return searches, health, failed


def told(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{name}: median {statistics.median(ordered):.3f} s, 95 % within {ordered[int(len(ordered) * 0.95)]:.3f} s"


def main() -> int:
    with sites.filled() as data, sites.served(data) as site:
        _fare(site, 0)
        usual, usual_health, _ = _fare(site, 1000)
        attack = Attack(site.port, _download_request(site.port))
        thread = threading.Thread(target=attack.run, daemon=True)
        thread.start()
        time.sleep(5)
        searches, health, failed = _fare(site, 2000)
        attack.stop.set()
        thread.join()
    print(told("searches alone", usual), told("/healthz alone", usual_health), sep="\n")
    print(told(f"searches beside {attack.open} slow connections", searches))
    print(told("/healthz beside them", health))
    print(f"{failed} requests failed; cut off: {dict(sorted(attack.told.items()))}")
    ratio = statistics.median(searches) / statistics.median(usual)
    good = not failed and ratio <= AT_MOST and max(health) <= 4 * AT_ONCE and statistics.median(health) <= AT_ONCE
    print(f"{'Good' if good else 'NOT GOOD'}: searches took {ratio:.2f} times as long beside slow clients.")
    return not good


if __name__ == "__main__":
    sys.exit(main())
