"""`python -m reliability.backups`: backups and restores that are killed at random while pictures come and go.

Promised: begun again, each goes on; what is restored has whole pictures alone, as many rows as the dump, and the same
results. About four minutes; RELIABILITY_PICTURES says how many (1,000).
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from reliability.postgres import Postgres
from reliability.site_under_test import BASE, environment
from search.demo.collection import draw_collection

PICTURES = int(os.environ.get("RELIABILITY_PICTURES", "1000"))
KILLS = 4

FOUND = """
import json, django
django.setup()
from search.query import SearchQuery
from search.retrieval import find
words = ("red star", "a blue circle", "three green squares", "빨간 별", "yellow")
found = {word: find(SearchQuery.from_params({"q": [word]})).images for word in words}
print(json.dumps({word: [str(image.id) for image in images] for word, images in found.items()}))
"""


def manage(settings: dict[str, str], *command: str) -> str:
    ended = subprocess.run(
        [sys.executable, "manage.py", *command],
        check=False,
        cwd=BASE,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"{command} ended with {ended.returncode}:\n{ended.stdout}")
    return ended.stdout


def found(settings: dict[str, str]) -> dict[str, list[str]]:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FOUND],
        check=True,
        cwd=BASE,
        env=settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, list[str]] = json.loads(said.stdout.splitlines()[-1])
    return result


def killed(settings: dict[str, str], *command: str) -> None:
    """Begin it some times, and kill it at random."""
    for number in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=BASE,
            env=settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.0 + 1.5 * number / KILLS + random.random())
        process.kill()
        print(f"    killed, {'after its end' if process.wait() == 0 else 'on its way'}")


def main() -> int:
    database, other = Postgres(), Postgres()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        data, elsewhere, target = Path(folder, "site"), Path(folder, "elsewhere"), Path(folder, "backups")
        try:
            database.start()
            other.start()
            settings = environment(data, DATABASE_URL=database.url, COMPILE_MODELS="off")
            manage(settings, "migrate", "--verbosity", "0")
            table = draw_collection(data / "pictures", PICTURES)
            manage(settings, "ingest", str(data / "pictures"), "--metadata", str(table))
            before = found(settings)

            print("  backups, killed, while pictures come:")
            draw_collection(data / "more", PICTURES + PICTURES // 4)
            coming = subprocess.Popen(
                [sys.executable, "manage.py", "ingest", str(data / "more")],
                cwd=BASE,
                env=settings,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            killed(settings, "backup", str(target))
            began = time.monotonic()
            said = manage(settings, "backup", str(target))
            print(f"    {said.strip().splitlines()[-1]} {time.monotonic() - began:.1f} s.")
            coming.wait()
            began = time.monotonic()
            said = manage(settings, "backup", str(target))
            print(f"    and once more, what is new: {time.monotonic() - began:.1f} s.")
            before = found(settings)

            print("  restores into another database, killed:")
            there = environment(elsewhere, DATABASE_URL=other.url, COMPILE_MODELS="off")
            killed(there, "restore", str(target), "--replace")
            began = time.monotonic()
            said = manage(there, "restore", str(target), "--replace")
            print(f"    {said.strip().splitlines()[-1]} {time.monotonic() - began:.1f} s.")
            print("   ", manage(there, "reconcile").strip().replace("\n", " "))
            if found(there) != before:
                wrong.append("searches give other results")
            counts = []
            for one in (database, other):
                with psycopg.connect(one.url) as connection:
                    rows = connection.execute("SELECT count(*), sum(hashtext(id::text || title)) FROM search_image")
                    counts.append(rows.fetchone())
            print(f"    pictures and their hash: {counts[0]} and {counts[1]}")
            if counts[0] != counts[1]:
                wrong.append(f"{counts[1]} instead of {counts[0]}")

            print("  a copy of the backup with a file that is cut off and one that is gone:")
            broken = target.with_name("broken")
            shutil.copytree(target, broken)
            victims = sorted((broken / "objects" / "originals").rglob("*-*"))[:2]
            victims[0].write_bytes(victims[0].read_bytes()[:-7])
            victims[1].unlink()
            try:
                manage(there, "restore", str(broken), "--check")
                wrong.append("a damaged backup is taken for a whole one")
            except RuntimeError as error:
                named = re.findall(r"objects/\S+", str(error))
                print("    named:", *(name.rpartition("/")[2] for name in named))
                if len(named) != 2:
                    wrong.append(str(error))
        except RuntimeError as error:
            wrong.append(str(error))
        finally:
            database.close()
            other.close()
    print("\n".join(wrong) or "What is backed up comes back as it was.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
