"""Files that their decoders don't survive, against the real parts: `python -m reliability.decoders_that_die`.

The decoder is that of the tests, which aborts, crashes, hangs or eats memory over a mark in a harmless file. Forty
good files and five such ones are ingested: it passes when forty are added and five named. Then the five are sent to
gunicorn, to be searched by, while others search: each is refused, nobody else notices, no worker ends, and no process
is left.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from PIL import Image

from reliability.pictures_memory import show
from reliability.site_under_test import BASE, environment, filled, new_search, served
from tests.bad_decoder import ABORT, CRASH, EAT, HANG, SPIN

_SETTINGS = "reliability.bad_decoder_settings"


def _picture(colour: tuple[int, int, int], comment: bytes = b"") -> bytes:
    file = BytesIO()
    Image.new("RGB", (320, 240), colour).save(file, "JPEG", comment=comment)
    return file.getvalue()


BAD = {
    name: _picture((90, 20, 20), mark)
    for name, mark in {"abort": ABORT, "crash": CRASH, "eat": EAT, "hang": HANG, "spin": SPIN}.items()
}


def _ingested(data: Path) -> list[str]:
    """Ingest good and bad files; return what is wrong."""
    folder = data / "mixed"
    folder.mkdir(exist_ok=True)
    salt = os.urandom(2)
    for number in range(40):
        (folder / f"good-{number}.jpg").write_bytes(_picture((6 * number, *salt)))
    for name, content in BAD.items():
        (folder / f"{name}.jpg").write_bytes(content)
    started = time.monotonic()
    command = [sys.executable, "manage.py", "ingest", str(folder)]
    run = subprocess.run(
        command,
        cwd=BASE,
        env=environment(data, DJANGO_SETTINGS_MODULE=_SETTINGS),
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"ingest, {time.monotonic() - started:.1f} s: {run.stdout.strip().splitlines()[-1]}\n{run.stderr.strip()}")
    unnamed = [name for name in BAD if f"{name}.jpg" not in run.stderr]
    wrong = [f"not named: {', '.join(unnamed)}"] if unnamed else []
    return wrong if "40 added, 0 already here, 5 failed" in run.stdout else [*wrong, "ingest"]


def _served(data: Path) -> list[str]:
    with served(data, DJANGO_SETTINGS_MODULE=_SETTINGS, WEB_CONCURRENCY="2") as site:
        show(site, _picture((1, 2, 3)))
        workers = {one.pid for one in psutil.Process(site.process.pid).children()}
        with ThreadPoolExecutor(10) as people:
            refused = [people.submit(show, site, content) for content in BAD.values()]
            others = [people.submit(site.get, new_search(number)) for number in range(40)]
            refusals = {name: one.result() for name, one in zip(BAD, refused, strict=True)}
            searches = [one.result() for one in others]
        after = show(site, _picture((3, 2, 1)))
        same = workers == {one.pid for one in psutil.Process(site.process.pid).children()}
        below = [one for one in psutil.Process(site.process.pid).children(recursive=True) if one.name() != "postgres"]
    _, left = psutil.wait_procs(below, timeout=10)
    print({name: f"{status} after {seconds:.1f} s" for name, (status, _, seconds) in refusals.items()})
    print(
        f"meanwhile {dict(Counter(status for status, _ in searches))}, {max(one[1] for one in searches):.2f} s at most"
    )
    wrong = [name for name, (status, *_) in refusals.items() if status != 400]
    if {status for status, _ in searches} != {200} or after[0] != 302:
        wrong.append("what others asked")
    return [*wrong, *([] if same else ["a worker ended"]), *(["processes are left"] if left else [])]


def main() -> None:
    with filled(200) as data:
        wrong = [*_ingested(data), *_served(data)]
    if wrong:
        sys.exit(f"Not as it should be: {'; '.join(wrong)}.")
    print("Each bad file was refused by itself, and nobody else noticed.")


if __name__ == "__main__":
    main()
