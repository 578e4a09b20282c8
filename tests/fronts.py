"""The event loop of a web worker, in a thread of the test's process, with an application made for the tests."""

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
from gunicorn.config import Config
from gunicorn.workers.base import Worker as GunicornWorker

from imagesearch.request_bodies import LOOKED_AT, Body
from imagesearch.serving import connection, event_loop, sockets, thread_pools

PIECE = b"0123456789abcdef" * 4096
PIECES = 24
SOON = 20.0
"""Timeout of a test in seconds, for the busiest machine."""


class Clock:
    """Stands for the module `time`; tests can advance it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class App:
    """The application: /hold waits for `release`, /echo returns a digest of the body, /large and /stream are long."""

    release: threading.Event = field(default_factory=threading.Event)
    held: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    calls: list[str] = field(default_factory=list)
    made: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"]
        self.calls.append(path)
        body = Body(environ)
        status, answer = "200 OK", b"ok"
        if path.startswith("/hold"):
            self.held.release()
            self.release.wait(SOON)
        elif path == "/echo":
            data = environ["wsgi.input"].read()
            answer = f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()
        elif path == "/refuse":
            status = "413 Content Too Large"
        elif path == "/stream":
            start(status, [])
            return self._pieces()
        elif path == "/break":
            start(status, [])
            return self._broken()
        elif path == "/fail":
            raise TimeoutError("Of something else than the client.")
        elif path == "/large":
            answer = PIECE * PIECES
        start(
            status,
            [
                ("Content-Length", str(len(answer))),
                ("X-Body", str(body.most)),
                ("X-Looked-At", str(LOOKED_AT in environ)),
            ],
        )
        return [answer]

    def _broken(self) -> Iterator[bytes]:
        yield PIECE
        raise TimeoutError("Of something else than the client.")

    def _pieces(self) -> Iterator[bytes]:
        try:
            for _ in range(PIECES):
                self.made += 1
                yield PIECE
        finally:
            self.closed.set()


class Worker:
    """The part of gunicorn's worker that the event loop uses."""

    def __init__(self, app: App, cfg: Config) -> None:
        self.cfg, self.wsgi, self.log, self.alive, self.nr = cfg, app, Mock(), True, 0

    def is_ending(self) -> bool:
        return False

    def handle_error(self, *args: Any) -> None:
        GunicornWorker.handle_error(self, *args)  # type: ignore[arg-type]


class Listener:
    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.accept, self.getsockname, self.fileno = self.sock.accept, self.sock.getsockname, self.sock.fileno
        self.setblocking, self.close = self.sock.setblocking, self.sock.close


class Served:
    """A front end that serves until it is closed."""

    def __init__(self, clock: Clock, threads: int, connections: int) -> None:
        cfg = Config()
        for name, value in {"threads": threads, "worker_connections": connections, "keepalive": 15}.items():
            cfg.set(name, value)
        self.app, self.clock = App(), clock
        self.front = event_loop.Front(Worker(self.app, cfg))
        listener = Listener()
        self.port: int = listener.getsockname()[1]
        self.front.listen([listener])
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends.is_set():
            self.front.turn()

    def connect(self, first: bytes = b"", *, receives: int = 0) -> socket.socket:
        made = socket.socket()
        if receives:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        made.settimeout(SOON)
        made.connect(("127.0.0.1", self.port))
        made.sendall(first)
        return made

    def ask(self, request: bytes) -> "Answer":
        with closing(self.connect(request)) as made:
            return read(made)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < end, "It does not come to pass."
            time.sleep(0.002)

    def close(self) -> None:
        self.app.release.set()
        self._ends.set()
        self.front.later(lambda: None)  # wakes the loop
        self._thread.join(SOON)
        self.front.stop_listening()
        self.front.close()


@dataclass
class Answer:
    status: int
    head: str
    body: bytes


def read(made: socket.socket) -> Answer:
    """Read one answer with a length, in chunks, or up to the end of the connection. Status 0 means no answer."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        before = len(seen)
        seen = made.recv(65536, socket.MSG_PEEK)
        if len(seen) == before:
            return Answer(0, seen.decode(), b"")
    head = _exactly(made, seen.index(b"\r\n\r\n") + 4)
    length = re.search(rb"Content-Length: (\d+)", head)
    body = _exactly(made, int(length[1])) if length else b""
    while b"chunked" in head and not body.endswith(b"\r\n0\r\n\r\n"):
        body += made.recv(65536)
    return Answer(int(head.split()[1]), head.decode(), body)


def _exactly(made: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        data += made.recv(count - len(data)) or b"?"
    return bytes(data)


def get(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (event_loop, connection, thread_pools, sockets):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def serve(clock: Clock) -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def serve(threads: int = 2, connections: int = 100) -> Served:
        made.append(Served(clock, threads, connections))
        return made[-1]

    yield serve
    for one in made:
        one.close()
