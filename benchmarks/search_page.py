"""How long the search page takes: gunicorn as it is deployed, over loopback, and the plain loop in turns."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.plain import PlainLoop
from benchmarks.report import Pairs
from benchmarks.world import BASE

_PATIENCE = 120
WARM_UP = 24


class Visitor:
    """A browser that keeps its connection, without scripts, cookies and pictures."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            return self._get(path)
        except (http.client.HTTPException, ConnectionError):  # the server ended a connection that was idle
            self._connection.close()
            return self._get(path)

    def _get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        return response.status, response.read()

    def search(self, words: str, page: int) -> None:
        """Ask for a page of results; one without results would measure something else."""
        status, body = self.get("/search?" + urlencode({"q": words, "page": page}))
        assert status == 200, status
        assert body.count(b"<article ") == 24, body


def measure(visitor: Visitor, plain: PlainLoop, rows: int, queries: Sequence[str]) -> list[Pairs]:
    """Search for each query for the first time, then for its second page; each of the two in both ways, in turns."""
    cold = Pairs(f"{rows:,} rows, new query")
    cached = Pairs(f"{rows:,} rows, its next page")
    for words in queries[:WARM_UP]:
        visitor.search(words, 1)
        plain.search(words, 1)
    for number, words in enumerate(queries[WARM_UP:]):
        for page, pairs in ((1, cold), (2, cached)):
            arms = [(visitor.search, pairs.ours), (plain.search, pairs.plain)]
            # Each of them first every other time: neither always finds what the other brought into memory.
            for search, times in arms if number % 2 == 0 else reversed(arms):
                times.append(_timed(search, words, page))
    return [cold, cached]


def _timed(search: Callable[[str, int], object], words: str, page: int) -> float:
    start = time.perf_counter()
    search(words, page)
    return time.perf_counter() - start


@contextmanager
def served(data: Path) -> Iterator[Visitor]:
    """Serve the product by its own gunicorn.conf.py, in a process of its own, until the block ends."""
    port = _free_port()
    command = [sys.executable, "-m", "gunicorn", "imagesearch.wsgi", "--config", str(BASE / "gunicorn.conf.py")]
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port)}
    log = data / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=BASE, env=environment, stdout=output, stderr=output)
    try:
        visitor = Visitor(port)
        _wait_until_ready(visitor, process, log)
        yield visitor
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_until_ready(visitor: Visitor, process: subprocess.Popen[bytes], log: Path) -> None:
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < _PATIENCE:
        try:
            if visitor.get("/readyz")[0] == 200:
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.2)
    raise RuntimeError(f"The server did not get ready:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
