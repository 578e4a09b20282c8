"""Web servers on this machine with given responses, whose addresses count as public."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from search.fetching import url_validation

Answer = bytes | Callable[[socket.socket], None]
PUBLIC, ALSO_PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.3", "127.0.0.2"
"""Addresses of this machine. The first two count as public where `Web` is used; all others stay private."""


def answer(body: bytes = b"", *headers: str, status: str = "200 OK", kind: str = "image/jpeg") -> bytes:
    """A complete response with its length; `kind` is the content type.

    It announces the end of the connection, which `Server` closes: a client that reused it would sometimes find it
    closed.
    """
    lines = [
        f"HTTP/1.1 {status}",
        "Connection: close",
        f"Content-Length: {len(body)}",
        f"Content-Type: {kind}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def leading_to(address: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {address}", status=status)


@dataclass
class Server:
    """A server with its responses by path, and the requests that it has received."""

    host: str
    answers: dict[str, Answer] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    requests: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listener = socket.create_server((self.host, 0))
        self.port: int = self.listener.getsockname()[1]
        if self.tls:
            self.tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._talk, args=self.listener.accept()[:1], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        # Many tests are about clients that disconnect.
        with suppress(OSError), connection:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536) or b"\r\n\r\n"
                if request.startswith(b"\x16\x03"):  # a TLS handshake
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    return
            self.requests.append(request.decode())
            response = self.answers[request.split()[1].decode()]
            if isinstance(response, bytes):
                connection.sendall(response)
            else:
                response(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def slowly(self, data: bytes, start: bytes = b"") -> Callable[[socket.socket], None]:
        """Send `start`, then `data` repeatedly, byte by byte, until the client disconnects or the test ends."""

        def talk(connection: socket.socket) -> None:
            connection.sendall(start)
            while True:
                for byte in data:
                    connection.sendall(bytes([byte]))
                    if self.ended.wait(0.05):
                        return

        return talk

    def close(self) -> None:
        self.ended.set()
        # Closing alone would not wake the accepting thread.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Web:
    """A simulated internet: host names, and local servers that count as public."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers: list[Server] = []
        self.names: dict[str, list[str] | Iterator[list[str]]] = {}
        self.asked: list[str] = []
        self._real_resolver = socket.getaddrinfo
        is_public = url_validation.is_public
        monkeypatch.setattr(
            url_validation, "is_public", lambda one: str(one) in {PUBLIC, ALSO_PUBLIC} or is_public(one)
        )
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)
        self._monkeypatch = monkeypatch

    def server(self, answers: dict[str, Answer] | None = None, *, host: str = PUBLIC, tls: Any = None) -> Server:
        server = Server(host, answers or {}, tls)
        self.servers.append(server)
        self.allow(server.port)
        return server

    def allow(self, port: int) -> None:
        self._monkeypatch.setattr(url_validation, "PORTS", url_validation.PORTS | {port})

    def _resolve(self, host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        if host not in self.names:
            # No test uses a resolver outside this machine.
            if host != "localhost":
                options["flags"] = options.get("flags", 0) | socket.AI_NUMERICHOST
            return list(self._real_resolver(host, port, *args, **options))
        self.asked.append(host)
        found = self.names[host]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in (found if isinstance(found, list) else next(found))
        ]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    web = Web(monkeypatch)
    yield web
    for server in web.servers:
        server.close()


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for `name`, a host name or an address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def tls_with(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
