"""`python -m reliability.database_away`: a database that is stopped, killed, hangs and comes back under a site.

Promised: others are told (503) within a second while it is away, and within a few where it hangs; pages are there
again within 5 seconds of its return; no write that was acknowledged is lost. About four minutes.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from reliability.postgres import Postgres
from reliability.site_under_test import BASE, Site, environment, served
from search.demo.collection import draw_collection

TOLD_WITHIN, TOLD_OF_HANGING_WITHIN, BACK_WITHIN = 1.0, 8.0, 5.0
LONG_AWAY = float(os.environ.get("RELIABILITY_AWAY", "75"))
PAGES = ("/", "/search?q=red+star", "/readyz")


def prepare(data: Path, database: Postgres) -> None:
    for command in (
        ["migrate", "--verbosity", "0"],
        ["collectstatic", "--noinput", "--verbosity", "0"],
        ["ingest", str(data / "pictures"), "--metadata", str(draw_collection(data / "pictures", 60))],
    ):
        settings = environment(data, DATABASE_URL=database.url, COMPILE_MODELS="off")
        subprocess.run([sys.executable, "manage.py", *command], cwd=BASE, env=settings, check=True, stdout=2)


def while_away(site: Site, seconds: float, hanging: bool) -> list[str]:
    """Ask by sixteen at once, as people do, and say what was wrong."""
    began, wrong, slowest, later = time.monotonic(), [], 0.0, 0.0
    with ThreadPoolExecutor(16) as people:
        while (age := time.monotonic() - began) < seconds:
            for status, took in people.map(site.get, PAGES * 5 + ("/healthz",)):
                slowest = max(slowest, took)
                if age > (TOLD_OF_HANGING_WITHIN if hanging else 0.0):
                    later = max(later, took)
                if status not in {503, 200}:
                    wrong.append(f"an answer {status}")
            time.sleep(0.2)
            if site.get("/healthz")[0] != 200:
                wrong.append("no answer of /healthz")
    print(f"    the slowest answer {slowest:.2f} s; once it was known {later:.2f} s")
    if slowest > (TOLD_OF_HANGING_WITHIN if hanging else TOLD_WITHIN):
        wrong.append(f"an answer after {slowest:.1f} s")
    if later > TOLD_WITHIN:
        wrong.append(f"an answer after {later:.1f} s though it was known")
    return wrong


def back(site: Site) -> float:
    """Return after how many seconds ten pages in a row are answered."""
    began, since, in_a_row = time.monotonic(), 0.0, 0
    while in_a_row < 10:
        if site.get("/search?q=red+star")[0] == 200:
            since = since or time.monotonic() - began
            in_a_row += 1
        else:
            since, in_a_row = 0.0, 0
            time.sleep(0.05)
        if time.monotonic() - began > 120:
            return float("inf")
    return since


def outage(
    name: str,
    site: Site,
    goes: Callable[[], None],
    comes: Callable[[], None],
    seconds: float,
    *,
    hanging: bool = False,
) -> list[str]:
    print(f"  {name}, for {seconds:.0f} s:")
    site.get("/search?q=red+star")
    goes()
    wrong = while_away(site, seconds, hanging)
    comes()
    after = back(site)
    print(f"    back {after:.2f} s after it")
    if after > BACK_WITHIN:
        wrong.append(f"back after {after:.1f} s")
    return [f"{name}: {one}" for one in wrong]


WRITER = """
import sys, time, django
django.setup()
from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, connection
number, until = 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    number += 1
    name = f"{sys.argv[1]}-{number}"
    try:
        User.objects.create(username=name)
        print(name, flush=True)
    except (DatabaseError, InterfaceError):
        time.sleep(0.05)
    connection.close()
"""


def loses_nothing(data: Path, database: Postgres) -> list[str]:
    """Writers note what was acknowledged, while the database is restarted and killed under them."""
    print("  restarts under writers:")
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WRITER, f"writer{number}", "20"],
            cwd=BASE,
            env=environment(data, DATABASE_URL=database.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(4)
    ]
    time.sleep(4)
    for mode in ("immediate", "killed", "fast", "backend"):
        if mode == "killed":
            database.kill()
            database.start()
        elif mode == "backend":
            database.kill_backend()
        else:
            database.stop(mode)
            database.start()
        time.sleep(3)
    acknowledged = {name for writer in writers for name in writer.communicate()[0].split()}
    database.wait()
    with psycopg.connect(database.url) as connection:
        there = {name for (name,) in connection.execute("SELECT username FROM auth_user")}
    lost = acknowledged - there
    print(f"    {len(acknowledged):,} writes acknowledged over four restarts, {len(lost)} of them lost")
    return [f"lost {len(lost)} acknowledged writes"] if lost or not acknowledged else []


def ingests_on(data: Path, database: Postgres) -> list[str]:
    """A command that meets the outage half-way goes on by itself."""
    print("  an ingest under which it is stopped for 10 s:")
    draw_collection(data / "more", 400)
    settings = environment(data, DATABASE_URL=database.url, COMPILE_MODELS="off")
    command = [sys.executable, "manage.py", "ingest", str(data / "more")]
    with psycopg.connect(database.url, autocommit=True) as connection:
        [before] = connection.execute("SELECT count(*) FROM search_image").fetchone() or [0]
        process = subprocess.Popen(command, cwd=BASE, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while connection.execute("SELECT count(*) FROM search_image").fetchone() == (before,):
            time.sleep(0.1)
    database.stop("immediate")
    threading.Timer(10, database.start).start()
    said = process.communicate(timeout=300)[0].decode()
    print("    " + "\n    ".join(said.strip().splitlines()[-6:]))
    return [] if process.returncode == 0 else [f"ingest ended with {process.returncode}"]


def main() -> int:
    database = Postgres()
    wrong: list[str] = []
    try:
        database.start()
        with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
            data = Path(folder)
            prepare(data, database)
            with served(data, DATABASE_URL=database.url, WEB_CONCURRENCY="2", COMPILE_MODELS="off") as site:
                wrong += outage("stopped", site, database.stop, database.start, LONG_AWAY)
                wrong += outage("killed", site, database.kill, database.start, 3)
                wrong += outage("hanging", site, database.pause, database.resume, 25, hanging=True)
                wrong += outage("one connection's process killed", site, database.kill_backend, database.wait, 0.1)
            wrong += loses_nothing(data, database)
            wrong += ingests_on(data, database)
    finally:
        database.close()
    print("\n".join(wrong) or "A database that goes away is told at once, and all is back within seconds.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
