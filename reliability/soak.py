"""`python -m reliability.soak`: an hour in which processes are killed at random, and nothing is lost.

People search, programs upload, pictures are ingested; meanwhile web processes, the ingestion and processes of
PostgreSQL are killed (SIGKILL), each some seconds after the other. At the end all is left alone, ingestion runs once
more, and then every picture whose upload was acknowledged and every picture of the folder must be there, whole by
`manage.py reconcile`, and the site must be ready. On loopback; it ends by itself, with exit status 1 where something
is lost.
"""

import argparse
import http.client
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from reliability.simulated_users import Person, Times, known_search
from reliability.site_under_test import BASE, Site, environment, filled, served
from search.demo.collection import draw_collection

EACH = 12.0
"""Seconds from one kill to the next, by mean."""
_BOUNDARY = "between-the-parts"
_TOKEN = """
from django.contrib.auth.models import User
from search.models import ApiToken
user, _ = User.objects.get_or_create(username="soak")
print("token", ApiToken.issue(user, "soak")[1])
"""
_IDS = """
from pathlib import Path
from search.models import Image
from search.models.image import content_id
print("there", *Image.objects.values_list("pk", flat=True))
print("ingested", *[content_id(path.read_bytes()) for path in Path({folder!r}).iterdir()])
"""


class Soak:
    def __init__(self, site: Site, pictures: list[Path], to_upload: list[Path], seed: int) -> None:
        self.site, self.pictures, self.to_upload = site, pictures, to_upload
        self.rng = random.Random(seed)
        self.stopping = threading.Event()
        self.times = Times()
        self.kills: Counter[str] = Counter()
        self.acknowledged: set[str] = set()
        self.uploads: Counter[int] = Counter()
        self.ingestion: subprocess.Popen[bytes] | None = None
        self.runs: Counter[int] = Counter()
        self.token = _told(site.data, _TOKEN)["token"][0]

    # What goes on

    def search(self, number: int) -> None:
        rng = random.Random(number)
        person = Person(self.site, self.times, number)
        while not self.stopping.wait(rng.uniform(0.5, 2)):
            person.browse(lambda: known_search(rng))

    def upload(self) -> None:
        for path in self.to_upload:
            data = path.read_bytes()
            while not self.stopping.wait(1):
                status, image_id = self._sent(data)
                self.uploads[status] += 1
                if status in {200, 201}:
                    self.acknowledged.add(image_id)
                    break

    def _sent(self, data: bytes) -> tuple[int, str]:
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'.encode()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        }
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
            body = head + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
            connection.request("POST", "/api/images", body=body, headers=headers)
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said)["id"] if answer.status in {200, 201} else ""
        except (OSError, http.client.HTTPException):
            return 0, ""

    def ingest(self) -> None:
        """Bring one part of the pictures after the other into the folder that is ingested."""
        folder = self.site.data / "soaked"
        folder.mkdir(exist_ok=True)
        left = list(self.pictures)
        while not self.stopping.is_set():
            some, left = left[:40], left[40:]
            for path in some:
                shutil.copyfile(path, folder / path.name)
            self.ingestion = _manage(self.site.data, "ingest", str(folder))
            self.runs[self.ingestion.wait()] += 1
            self.stopping.wait(2)

    # What is killed

    def kill(self) -> None:
        while not self.stopping.wait(self.rng.uniform(0.5, 1.5) * EACH):
            what, process = self.rng.choice([*self._victims()])
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
                self.kills[what] += 1
                print(f"killed: {what} ({process.pid})", flush=True)

    def _victims(self) -> Iterator[tuple[str, psutil.Process]]:
        workers = [one for one in psutil.Process(self.site.process.pid).children() if "postgres" not in _name(one)]
        if workers:
            yield "a web process", self.rng.choice(workers)
        ingestion = self.ingestion
        if ingestion and ingestion.poll() is None:
            yield "the ingestion", psutil.Process(ingestion.pid)
        # Each has a connection; the others of a server belong to it, and end it as well.
        backends = [one for one in _postgres(self.site.data) if "idle" in _command(one) or "SELECT" in _command(one)]
        if backends:
            yield "a process of PostgreSQL", self.rng.choice(backends)


def _postgres(data: Path) -> list[psutil.Process]:
    """The processes of the database under `data`, and of no other."""
    with suppress(OSError, ValueError, psutil.NoSuchProcess, IndexError):
        number = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
        return psutil.Process(number).children()
    return []


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return ""


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _manage(data: Path, *command: str) -> "subprocess.Popen[bytes]":
    log = (data / "soak.log").open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "manage.py", *command], cwd=BASE, env=environment(data), stdout=log, stderr=log
        )


def _told(data: Path, script: str) -> dict[str, list[str]]:
    """Run a script in `manage.py shell`; return the words of each line that it prints, by the first one."""
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", script]
    said = subprocess.run(command, cwd=BASE, env=environment(data), check=True, stdout=subprocess.PIPE, text=True)
    return {words[0]: words[1:] for line in said.stdout.splitlines() if (words := line.split())}


@contextmanager
def _drawn(count: int) -> Iterator[list[Path]]:
    """Pictures that no collection has yet."""
    with tempfile.TemporaryDirectory() as folder:
        draw_collection(Path(folder), count, seed=time.time_ns() % 10**9)
        yield sorted(path for path in Path(folder).iterdir() if path.suffix != ".tsv")


def soak(site: Site, seconds: float, pictures: list[Path], seed: int) -> bool:
    """Return whether all is there."""
    half = len(pictures) // 2
    one = Soak(site, pictures[:half], pictures[half:], seed)
    work = [one.upload, one.ingest, one.kill, *(lambda number=number: one.search(number) for number in range(8))]
    threads = [threading.Thread(target=each, daemon=True) for each in work]
    for thread in threads:
        thread.start()
    with suppress(KeyboardInterrupt):
        time.sleep(seconds)
    one.stopping.set()
    for thread in threads:
        thread.join(300)
    print(f"people: {one.times}")
    print(f"killed: {dict(one.kills)}; ingestions by exit status: {dict(one.runs)}; uploads: {dict(one.uploads)}")
    return _is_whole(one)


def _is_whole(one: Soak) -> bool:
    site = one.site
    site.wait()
    ingested = site.data / "soaked"
    status = _manage(site.data, "ingest", str(ingested)).wait()
    reconciled = _manage(site.data, "reconcile").wait()
    told = _told(site.data, _IDS.format(folder=str(ingested)))
    there, in_folder = set(told["there"]), set(told["ingested"])
    lost = {"uploads": len(one.acknowledged - there), "ingested": len(in_folder - there)}
    print(f"{len(one.acknowledged)} uploads acknowledged, {len(in_folder)} pictures ingested; lost: {lost}")
    print(f"the last ingestion ended with {status}, reconcile with {reconciled}; see {site.data / 'soak.log'}")
    return not (any(lost.values()) or status or reconciled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1, help="of what is killed, and when")
    given = parser.parse_args()
    pictures = max(80, int(given.seconds))
    with filled() as data, _drawn(pictures) as drawn, served(data) as site:
        is_whole = soak(site, given.seconds, drawn, given.seed)
    print("Nothing is lost." if is_whole else "SOMETHING IS LOST.")
    sys.exit(0 if is_whole else 1)


if __name__ == "__main__":
    main()
