"""A proxy for a server on this machine that can fail in each of the ways that networks do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum


class Behaviour(StrEnum):
    PASSES = "passes everything on"
    HANGS_AT_CONNECT = "hangs at connect"
    HANGS_AFTER_CONNECT = "hangs after connect"
    HANGS_IN_BODY = "hangs in the middle of a body"
    TRICKLES = "slow: a byte every fifth of a second"
    CUTS = "breaks off in a body"
    REFUSES = "refuses connections"
    SLOW_DOWN = "503 SlowDown"
    WRONG_CLOCK = "403, the clocks differ"


_CANNED = {
    Behaviour.SLOW_DOWN: ("503 Slow Down", "SlowDown"),
    Behaviour.WRONG_CLOCK: ("403 Forbidden", "RequestTimeTooSkewed"),
}
_IN_A_BODY = {Behaviour.HANGS_IN_BODY, Behaviour.CUTS}
_EVERY = 0.2
_OF_THE_BODY = 10


class Proxy:
    """Listens on `port`. Each request follows the current behaviour; one that hangs never continues."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._behaviour = Behaviour.PASSES
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._ended = threading.Event()
        self._may_accept = threading.Event()
        self._may_accept.set()
        self._fillers: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def behave(self, behaviour: Behaviour) -> None:
        was, self._behaviour = self._behaviour, behaviour
        for filler in self._fillers:
            filler.close()
        self._fillers = []
        if was is Behaviour.REFUSES and behaviour is not was:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
            threading.Thread(target=self._accept, daemon=True).start()
        if behaviour is Behaviour.REFUSES:
            self._stop_listening()
            self._hang_up()
        if behaviour is Behaviour.HANGS_AT_CONNECT:
            self._may_accept.clear()
            self._hang_up()
            self._fill()
        else:
            self._listener_backlog(128)
            self._may_accept.set()

    @contextmanager
    def behaving(self, behaviour: Behaviour) -> Iterator[None]:
        self.behave(behaviour)
        try:
            yield
        finally:
            self.behave(Behaviour.PASSES)

    def close(self) -> None:
        self._ended.set()
        self._may_accept.set()
        for filler in self._fillers:
            filler.close()
        self._stop_listening()
        self._hang_up()

    def _listener_backlog(self, count: int) -> None:
        with suppress(OSError):
            self._listener.listen(count)

    def _fill(self) -> None:
        """Fill the backlog with connections that are never accepted: the next SYN gets no answer."""
        self._listener_backlog(0)
        with suppress(OSError):  # this one goes to the thread that is already in accept()
            socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def _stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _hang_up(self) -> None:
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        listener = self._listener
        while not self._ended.is_set():
            self._may_accept.wait()
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server, client:
            self._open |= {client, server}
            connection = _Connection(self, client, server)
            threading.Thread(target=connection.bring_answers, daemon=True).start()
            connection.pass_requests_on()
        self._open -= {client}

    @property
    def behaviour(self) -> Behaviour:
        return self._behaviour

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the proxy to end; return whether it has."""
        return self._ended.wait(seconds)


class _Connection:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.behaviour = Behaviour.PASSES
        self.answered = b""

    def pass_requests_on(self) -> None:
        while data := self.client.recv(65536):
            self.behaviour, self.answered = self.proxy.behaviour, b""
            if self.behaviour in _IN_A_BODY and not data.startswith(b"GET"):
                self.behaviour = Behaviour.PASSES  # the answer has no body
            if self.behaviour in _CANNED:
                status, code = _CANNED[self.behaviour]
                body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                self.client.sendall((head + body).encode())
                self.client.shutdown(socket.SHUT_WR)
                return
            if self.behaviour is Behaviour.HANGS_AFTER_CONNECT:
                self._hang()
                return
            self.server.sendall(data)

    def bring_answers(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(65536):
                self._bring(data)
            self.client.shutdown(socket.SHUT_RDWR)

    def _bring(self, data: bytes) -> None:
        if self.behaviour is Behaviour.TRICKLES:
            for byte in data:
                self.client.sendall(bytes([byte]))
                if self.proxy.wait(_EVERY):
                    return
        elif self.behaviour in _IN_A_BODY:
            self.answered += data
            end = self.answered.find(b"\r\n\r\n") + 4 + _OF_THE_BODY
            self.client.sendall(self.answered[:end])
            if self.behaviour is Behaviour.HANGS_IN_BODY:
                self._hang()
            else:
                self.client.shutdown(socket.SHUT_RDWR)
        else:
            self.client.sendall(data)

    def _hang(self) -> None:
        """Until the client gives up, even if the behaviour changes."""
        self.client.settimeout(None)
        with suppress(OSError):
            while self.client.recv(65536):
                pass
