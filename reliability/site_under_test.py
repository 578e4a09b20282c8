"""A whole site to do harm to: gunicorn by its own configuration, the embedded database filled with drawn pictures."""

import http.client
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from search.demo.collection import draw_collection

BASE = Path(__file__).resolve().parent.parent
_MODELS = BASE / "search" / "demo" / "models"
_PATIENCE = 120.0
_COLOURS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple")
_SHAPES = ("star", "circle", "square", "triangle", "heart", "ring", "cross")


@dataclass
class Site:
    """A site that is served on loopback; `data` is its DATA_DIR."""

    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path

    def get(self, path: str, timeout: float = 60.0) -> tuple[int, float]:
        """Ask over a new connection; return the status, 0 for none, and the seconds that it took."""
        start = time.perf_counter()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                return answer.status, time.perf_counter() - start
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return 0, time.perf_counter() - start

    def wait(self, path: str = "/readyz") -> None:
        """Wait until all processes, of which any may answer, are ready."""
        end, in_a_row = time.monotonic() + _PATIENCE, 0
        while in_a_row < 8:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"The server did not start:\n{self.log.read_text()}")
            in_a_row = in_a_row + 1 if self.get(path)[0] == 200 else 0
            if not in_a_row:
                time.sleep(0.1)


def environment(data: Path, **more: str) -> dict[str, str]:
    """What a site that is installed as README says it has in its environment, with the model for drawn pictures."""
    key = data / "key"
    if not key.exists():
        data.mkdir(parents=True, exist_ok=True)
        key.write_text(secrets.token_urlsafe(50))
    blank = ("DATABASE_URL", "AWS_STORAGE_BUCKET_NAME", "AWS_S3_ENDPOINT_URL", "S3_PUBLIC_BASE_URL", "BASE_PATH")
    return {
        **os.environ,
        **dict.fromkeys(blank, ""),
        "DJANGO_SETTINGS_MODULE": "imagesearch.settings",
        "DATA_DIR": str(data),
        "EMBEDDING_IMAGE_MODEL": str(_MODELS / "image"),
        "EMBEDDING_TEXT_MODEL": str(_MODELS / "text"),
        "HF_HUB_OFFLINE": "1",
        "DEBUG": "off",
        "SECRET_KEY": key.read_text(),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "HTTPS": "off",
        "LANGUAGE_CODE": "en",
        **more,
    }


def manage(data: Path, *command: str) -> None:
    """Run a command of manage.py. Raises CalledProcessError."""
    subprocess.run([sys.executable, "manage.py", *command], cwd=BASE, env=environment(data), check=True, stdout=2)


@contextmanager
def filled(pictures: int = 800) -> Iterator[Path]:
    """Yield a DATA_DIR with so many drawn pictures to search, which is gone afterwards.

    RELIABILITY_DATA names a folder that stays, for the next time.
    """
    kept = os.environ.get("RELIABILITY_DATA", "")
    data = Path(kept).resolve() if kept else Path(tempfile.mkdtemp(prefix="reliability-"))
    try:
        if not (data / "filled").exists():
            manage(data, "migrate", "--verbosity", "0")
            manage(data, "collectstatic", "--noinput", "--verbosity", "0")
            manage(data, "compile_models")
            table = draw_collection(data / "pictures", pictures)
            manage(data, "ingest", str(data / "pictures"), "--metadata", str(table))
            (data / "filled").touch()
        yield data
    finally:
        if not kept:
            shutil.rmtree(data, ignore_errors=True)


@contextmanager
def served(data: Path, ready: str = "/readyz", **more: str) -> Iterator[Site]:
    """Serve it until the block ends, from when all processes answer `ready` with 200. Settings by keyword."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    log = data / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "imagesearch.wsgi"],
            cwd=BASE,
            env=environment(data, HOST="127.0.0.1", PORT=str(port), **more),
            stdout=output,
            stderr=output,
        )
    site = Site(process, port, data, log)
    try:
        site.wait(ready)
        yield site
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        if process.poll() is None:
            process.kill()


def new_search(number: int) -> str:
    """Return the address of a search that nobody has made before: neither its words nor its results are known."""
    colour, shape = _COLOURS[number % len(_COLOURS)], _SHAPES[number // 8 % len(_SHAPES)]
    return "/search?" + urlencode({"q": f"a {colour} {shape} {secrets.token_hex(3)} {number}"})
