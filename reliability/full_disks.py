"""`python -m reliability.full_disks`: a database and a folder of pictures on disks that are full. As root, to mount.

Promised: an ingest tells what is full, waits, and goes on by itself when there is room; pages that only read are
there; an upload is refused in words (503), and leaves neither a row nor a file. About three minutes.
"""

import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from reliability.postgres import Postgres
from reliability.site_under_test import BASE, Site, environment, served
from search.demo.collection import draw_collection

_DATABASE_SETTINGS = ("min_wal_size = '32MB'", "max_wal_size = '48MB'", "autovacuum = off", "wal_level = minimal",
                      "max_wal_senders = 0")  # fmt: skip


@contextmanager
def disk(size: str) -> Iterator[Path]:
    """Yield a folder on a disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="reliability-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()


def fill(folder: Path, *, but: int) -> Path:
    """Fill the disk but for so many bytes."""
    ballast = folder / "ballast"
    status = os.statvfs(folder)
    with ballast.open("wb") as file:
        file.write(bytes(max(0, status.f_bavail * status.f_frsize - but)))
    return ballast


def manage(settings: dict[str, str], *command: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=BASE,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def ran(settings: dict[str, str], *command: str) -> str:
    process = manage(settings, *command)
    said = process.communicate(timeout=300)[0].decode()
    if process.returncode:
        raise RuntimeError(said)
    return said


def ingest_into_full(settings: dict[str, str], pictures: Path, ballast: Path) -> list[str]:
    """An ingest that meets the full disk, and goes on when there is room."""
    process = manage(settings, "ingest", str(pictures))
    assert process.stdout
    said = ""
    while "full" not in said:
        line = process.stdout.readline().decode()
        said += line
        if not line:
            break
    told = [line for line in said.splitlines() if "full" in line]
    print("    told:", *told[:1])
    ballast.unlink()
    rest = process.communicate(timeout=300)[0].decode()
    print("    then:", *[line for line in (said + rest).splitlines() if " added, " in line])
    wrong = [] if told else [f"nothing told of a full disk:\n{said}{rest}"]
    if process.returncode:
        wrong.append(f"ingest ended with {process.returncode}:\n{rest}")
    if "Traceback" in said + rest:
        wrong.append(f"a traceback:\n{said}{rest}")
    return wrong


def upload(site: Site, picture: Path) -> tuple[int, str]:
    """Upload a picture as somebody who has no account: UPLOAD_LOGIN_REQUIRED is off."""
    with_cookie = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    with_cookie.request("GET", "/upload/")
    answer = with_cookie.getresponse()
    page, cookie = answer.read().decode(), (answer.headers["Set-Cookie"] or "").split(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token, page
    boundary, parts = "between", [("csrfmiddlewaretoken", "", token[1].encode())]
    parts.append(("pictures", f'; filename="{picture.name}"', picture.read_bytes()))
    body = b""
    for name, more, value in parts:
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"
        )
    body += f"--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Cookie": cookie}
    with_cookie.request("POST", "/upload/", body=body, headers=headers)
    answer = with_cookie.getresponse()
    return answer.status, answer.read().decode()


def counts(database: Postgres, media: Path) -> tuple[int, int]:
    with psycopg.connect(database.url) as connection:
        [rows] = connection.execute("SELECT count(*) FROM search_image").fetchone() or [0]
    return rows, sum(1 for path in (media / "originals").rglob("*") if path.is_file())


def site_on_full(
    data: Path, settings: dict[str, str], database: Postgres, full: Path, picture: Path, *, but: int
) -> list[str]:
    """Pages and an upload while the disk is full, and the upload once more with room."""
    more = {name: settings[name] for name in ("DATABASE_URL", "COMPILE_MODELS", "UPLOAD_LOGIN_REQUIRED")}
    wrong = []
    with served(data, WEB_CONCURRENCY="1", **more) as site:
        before = counts(database, data / "media")
        # The first one of a process loads the model for pictures.
        site.get("/search?" + urlencode({"q": "red star"}))
        ballast = fill(full, but=but)
        status, page = upload(site, picture)
        told = re.search(r"There is no room[^<]*", page)
        reading = site.get("/")[0]
        print(f"    upload: {status} {told[0] if told else ''!r}; the start page: {reading}")
        if status != 503 or not told:
            wrong.append(f"an upload was answered by {status}")
        if reading != 200:
            wrong.append(f"the start page was answered by {reading}")
        if counts(database, data / "media") != before:
            wrong.append(f"an upload left something: {before} became {counts(database, data / 'media')}")
        ballast.unlink()
        status, _page = upload(site, picture)
        after = counts(database, data / "media")
        if status != 200 or after != (before[0] + 1, before[1] + 1):
            wrong.append(f"with room an upload was answered by {status}: {before} became {after}")
    return wrong


def main() -> int:
    if os.geteuid():
        print("This needs root, to mount small disks.")
        return 2
    wrong: list[str] = []
    with disk("150m") as small, disk("200m") as media, tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        (small / "database").mkdir()
        small.chmod(0o755)
        database = Postgres(small / "database", *_DATABASE_SETTINGS)
        try:
            database.start()
            data = Path(folder)
            (data / "media").symlink_to(media)
            settings = environment(data, DATABASE_URL=database.url, COMPILE_MODELS="off", UPLOAD_LOGIN_REQUIRED="off")
            ran(settings, "migrate", "--verbosity", "0")
            ran(settings, "collectstatic", "--noinput", "--verbosity", "0")
            draw_collection(data / "pictures", 1200)
            halves = data / "some", data / "others"
            for number, path in enumerate(sorted((data / "pictures").rglob("*.*"))):
                halves[number % 2].mkdir(exist_ok=True)
                path.rename(halves[number % 2] / path.name)
            spare = sorted(halves[1].glob("*.webp")) or sorted(halves[1].glob("*.png")) or sorted(halves[1].glob("*"))
            uploaded = [path.rename(data / path.name) for path in spare[:2]]
            print("  an ingest into a full folder of pictures:")
            ballast = fill(media, but=1_000_000)
            wrong += ingest_into_full(settings, halves[0], ballast)
            print("  an ingest into a full database:")
            ballast = fill(small, but=300_000)
            wrong += ingest_into_full(settings, halves[1], ballast)
            print("  a site whose folder of pictures is full:")
            wrong += site_on_full(data, settings, database, media, uploaded[0], but=4_096)
            print("  a site whose database is full:")
            wrong += site_on_full(data, settings, database, small, uploaded[1], but=0)
            database.wait()
            left = ran(settings, "reconcile")
            print("  " + left.strip().replace("\n", "\n  "))
        finally:
            database.close()
            time.sleep(0.5)
    print("\n".join(wrong) or "What is full is told, and all goes on when there is room.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
