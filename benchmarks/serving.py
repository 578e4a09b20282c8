"""The product as deployed, by its own gunicorn.conf.py: first search, memory and concurrency."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.benchmark_environment import BASE, World
from benchmarks.report import table
from benchmarks.search_page import Visitor

_PATIENCE = 300
USERS = 8

_PLAIN_PROCESS = """
import sys
from sentence_transformers import SentenceTransformer
SentenceTransformer(sys.argv[1]).encode("some words")
"""


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    started: float

    def visitor(self) -> Visitor:
        return Visitor(self.port)

    def first_answer(self, path: str) -> float:
        """Wait until `path` is answered with 200; return the seconds since the start of the server."""
        visitor = self.visitor()
        while self.process.poll() is None and time.monotonic() - self.started < _PATIENCE:
            with suppress(OSError):  # not listening yet
                if visitor.get(path)[0] == 200:
                    return time.monotonic() - self.started
            time.sleep(0.02)
        raise RuntimeError(f"The server did not answer {path}:\n{self.log.read_text()}")

    def megabytes(self) -> float:
        """Memory of all its processes, with shared pages counted once."""
        parent = psutil.Process(self.process.pid)
        used: float = sum(one.memory_full_info().pss for one in [parent, *_python_children(parent)])
        return used / 1e6


def _python_children(parent: psutil.Process) -> list[psutil.Process]:
    return [one for one in parent.children(recursive=True) if "postgres" not in one.name()]


@contextmanager
def served(data: Path, **environment: str) -> Iterator[Server]:
    """Serve the product until the block ends; it may not be ready at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "imagesearch.wsgi", "--config", str(BASE / "gunicorn.conf.py")]
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port), **environment}
    log = data / "server.log"
    with log.open("w") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=BASE, env=environment, stdout=output, stderr=output)
    try:
        yield Server(process, port, log, started)
    finally:
        process.terminate()
        process.wait(_PATIENCE)


@dataclass(frozen=True)
class Serving:
    """Seconds to the first search, ours and of a process that loads the model and encodes once; megabytes with one and
    two workers; new searches a second for one user and for several."""

    first: float
    plain_first: float
    one_worker: float
    two_workers: float
    alone: float
    together: float

    def table(self) -> str:
        first = [f"{self.first:.2f}", f"{self.plain_first:.2f} (a plain process)"]
        memory = [f"{self.one_worker:.0f}", f"{self.two_workers:.0f}"]
        rates = [f"{self.alone:.1f}", f"{self.together:.1f}"]
        rows = [
            ["first search after the start, seconds", *first, f"**{self.first / self.plain_first:.2f}** of it"],
            ["memory of one worker and of two, MB", *memory, f"**{self.two_workers - self.one_worker:.0f}** more"],
            [f"new queries a second, 1 user and {USERS}", *rates, f"**{self.together / self.alone:.2f}** times"],
        ]
        return table(["Serving", "", "", ""], rows)


def measure(world: World, queries: Sequence[str], starts: int = 3) -> Serving:
    """Start the server several times, with one worker and with two, and have several users search concurrently."""
    ours, plain = [], []
    for number in range(starts):
        for mine in (True, False) if number % 2 == 0 else (False, True):
            if mine:
                with served(world.data) as server:
                    ours.append(server.first_answer(f"/search?q=first+{number}"))
            else:
                plain.append(_plain_start(world))
    one, two = (_memory(world, workers, queries) for workers in (1, 2))
    with served(world.data, WEB_CONCURRENCY=str(os.cpu_count() or 1)) as server:
        server.first_answer("/readyz")
        half = len(queries) // 2
        _throughput(server, USERS, queries[:half])  # warm up every worker
        alone, together = [], []
        for part in range(3):
            chosen = [f"{words} {part}" for words in queries[half:]]
            alone.append(_throughput(server, 1, chosen))
            together.append(_throughput(server, USERS, [f"{words} too" for words in chosen]))
    return Serving(median(ours), median(plain), one, two, median(alone), median(together))


def _plain_start(world: World) -> float:
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", _PLAIN_PROCESS, str(world.text_model)], check=True, capture_output=True)
    return time.monotonic() - start


def _memory(world: World, workers: int, queries: Sequence[str]) -> float:
    """Return the megabytes of a server with so many workers, all of which have searched."""
    with served(world.data, WEB_CONCURRENCY=str(workers)) as server:
        server.first_answer("/readyz")
        _throughput(server, USERS, queries)
        return server.megabytes()


def _throughput(server: Server, users: int, queries: Sequence[str]) -> float:
    """Return the searches a second of `users` who each search one after the other."""
    visitors = [server.visitor() for _ in range(users)]
    start = time.perf_counter()
    with ThreadPoolExecutor(users) as pool:
        list(pool.map(_visit, visitors, [queries[number::users] for number in range(users)]))
    return len(queries) / (time.perf_counter() - start)


def _visit(visitor: Visitor, queries: Sequence[str]) -> None:
    for words in queries:
        visitor.search(words)
