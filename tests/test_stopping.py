"""A server stops within seconds on Ctrl-C and SIGTERM, completes requests in progress, and leaves no process."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as project

from imagesearch.gunicorn_worker import UNDER_WAY
from search import demo
from tests.base import an_image, picture_bytes
from tests.conftest import MODELS
from tests.s3_servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

BOUNDARY = "between"
READY = 8
"""Consecutive responses after which both workers have probably answered."""
PARTS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form_with_picture() -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + picture_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


class Server:
    """gunicorn with two workers, the test database and compiled models, in its own process group."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / f"{self.port}.log"
        self.last = b""
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
            "TEST_DATABASE": project.DATABASES["default"]["NAME"],
            "TEST_MEDIA": str(folder),
            "TEST_MODELS": str(MODELS),
            "EMBEDDING_IMAGE_MODEL": str(demo.IMAGE_MODEL),
            "EMBEDDING_TEXT_MODEL": str(demo.TEXT_MODEL),
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "2",
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "gunicorn", "imagesearch.wsgi"],
                cwd=project.BASE_DIR,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def answer(self, method: str, path: str, **request: Any) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as client:
            client.request(method, path, **request)
            answer = client.getresponse()
            self.last = answer.read()
            return answer.status

    def wait(self) -> None:
        """Wait until both workers can search; on a busy machine loading a model takes a while."""
        ready = 0
        for _ in range(2400):
            try:
                can_search = self.answer("GET", "/readyz") == 200 and self.answer("GET", "/api/search?q=warm") == 200
                ready = ready + 1 if can_search else 0
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.log.read_text()
            if ready == READY:
                return
            if not ready:
                time.sleep(0.05)
        pytest.fail(f"{self.last!r} {self.log.read_text()}")

    def stop(self, number: signal.Signals) -> None:
        """Send the signal as a service manager does, or as a terminal, which sends Ctrl-C to all processes."""
        tell = os.killpg if number == signal.SIGINT else os.kill
        tell(self.process.pid, number)

    def until_closed(self) -> None:
        """Wait until no new connection is accepted."""
        with suppress(OSError):
            while True:
                socket.create_connection(("127.0.0.1", self.port), timeout=30).close()

    def until(self, text: str) -> None:
        """Wait until the log contains the text."""
        for _ in range(2400):
            if text in self.log.read_text():
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.01)

    def failures(self) -> list[str]:
        return re.findall(r"was sent SIG\w+|exited with code|Traceback.*", self.log.read_text())

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    servers: list[Server] = []

    def start() -> Server:
        servers.append(Server(tmp_path))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


def test_a_stop_completes_requests_in_progress_and_kills_no_worker(start: Callable[[], Server]):
    an_image()
    servers = {number: start() for number in (signal.SIGTERM, signal.SIGINT)}
    body = form_with_picture()
    for server in servers.values():
        server.wait()
        for word in ("red", "blue", "green"):
            assert server.answer("GET", f"/api/search?q={word}") == 200, (server.last, server.log.read_text())
            assert server.answer("POST", "/api/search/picture", body=body, headers=PARTS) == 201

    ended = {}
    for number, server in servers.items():
        workers = server.processes()
        half, silent = (socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(2))
        with half, silent:
            head = f"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            half.sendall(f"{head}Content-Type: {PARTS['Content-Type']}\r\n\r\n".encode() + body[:200])
            # Send the second half to the thread that has taken the request, and read the response.
            assert server.answer("GET", "/healthz") == 200
            server.stop(number)
            server.until_closed()
            half.sendall(body[200:])
            answer = half.recv(65536).decode()
        ended[number] = answer.split("\r\n")[0], server.process.wait(10)
        assert not psutil.wait_procs(workers, timeout=10)[1]

    assert ended == dict.fromkeys(servers, ("HTTP/1.1 201 Created", 0))
    assert not [failure for server in servers.values() for failure in server.failures()]


def test_a_second_signal_ends_stalled_requests_at_once(start: Callable[[], Server]):
    server = start()
    server.wait()
    with socket.create_connection(("127.0.0.1", server.port)) as stalled:
        stalled.sendall(
            f"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Type: {PARTS['Content-Type']}\r\n"
            "Content-Length: 100\r\n\r\n".encode()
        )
        assert server.answer("GET", "/healthz") == 200
        server.process.send_signal(signal.SIGTERM)
        server.until("Handling signal: term")
        server.process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        assert server.process.wait(10) == 0
        assert time.monotonic() - asked < UNDER_WAY - 1
    assert not server.failures(), server.log.read_text()


def test_a_starting_worker_stops_too(start: Callable[[], Server]):
    server = start()
    server.until("Booting worker")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    assert not server.failures(), server.log.read_text()
