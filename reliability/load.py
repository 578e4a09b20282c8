"""`python -m reliability.load`: many people at once, an ingestion meanwhile, the memory that 10,000 searches leave.

On loopback, over a collection of drawn pictures, which it makes and removes (RELIABILITY_DATA keeps it). It ends by
itself, after ten minutes with all parts in their full length, with a sentence for each promise and exit status 1 where
one is not kept. The people are played on the same machine, and take a part of it.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from reliability.simulated_users import Times, alone, known_search, run, together
from reliability.site_under_test import BASE, Site, environment, filled, new_search, served
from search.demo.collection import draw_collection

TIMES_ALONE = 4.0
"""The 95th percentile of 50 people, over the median of one alone."""
TIMES_INGESTING = 2.0
MOST_GROWTH = 0.05
PARTS = ("people", "unseen", "ingesting", "memory")

_kept = True


def told(promise: str, *, kept: bool) -> None:
    global _kept  # noqa: PLW0603 - of this run
    _kept = _kept and kept
    print(f"{'KEPT' if kept else 'NOT KEPT'}: {promise}", flush=True)


def people(site: Site, seconds: float, looks: float) -> None:
    one = alone(site)
    print(f"one alone: {one}", flush=True)
    many = together(site, 50, seconds, looks=looks)
    print(f"50 people: {many}", flush=True)
    times = many.nineteen_of_twenty / one.median
    told(f"no answer of 5xx to 50 people in {seconds:.0f} s", kept=many.failures == 0)
    told(f"their 95th percentile is {times:.1f} times the median of one alone", kept=times <= TIMES_ALONE)


def unseen(site: Site, seconds: float, looks: float) -> None:
    one = alone(site, pages=60, unseen=True)
    print(f"one alone, unseen searches: {one}", flush=True)
    some = together(site, 20, min(seconds, 60.0), looks=looks, unseen=True)
    print(f"20 people, unseen searches: {some}", flush=True)
    times = some.nineteen_of_twenty / one.median
    told("no answer of 5xx to 20 people who search for what nobody has", kept=some.failures == 0)
    told(f"their 95th percentile is {times:.1f} times the median of one alone", kept=times <= TIMES_ALONE)


def ingesting(site: Site, seconds: float, looks: float, pictures: str) -> None:
    """Compare the same people without and with `manage.py ingest`, in turns."""
    with tempfile.TemporaryDirectory() as drawn:
        folder = pictures or drawn
        if not pictures:
            draw_collection(Path(drawn), 4_000, seed=int(time.time()))
        without, meanwhile = Times(), Times()
        for _ in range(2):
            _add(without, together(site, 20, min(seconds, 40.0), looks=looks))
            process = _ingest(site, folder)
            try:
                _add(meanwhile, together(site, 20, min(seconds, 40.0), looks=looks))
                was_there = process.poll() is None
            finally:
                process.terminate()
                process.wait(60)
            if not was_there:
                print("The ingestion ended before the people did: the figures say less than they should.")
    print(f"20 people without an ingestion: {without}\n20 people meanwhile: {meanwhile}", flush=True)
    times = meanwhile.nineteen_of_twenty / without.nineteen_of_twenty
    told("no answer of 5xx while pictures are ingested", kept=meanwhile.failures == 0)
    told(f"an ingestion makes the 95th percentile {times:.1f} times as long", kept=times <= TIMES_INGESTING)


def _add(times: Times, more: Times) -> None:
    times.pages += more.pages
    times.statuses += more.statuses


def _ingest(site: Site, folder: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "manage.py", "ingest", folder]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=BASE, env=environment(site.data), stdout=nothing, stderr=nothing)


def memory(site: Site, searches: int) -> None:
    """One search in ten is new. What a process caches is there before it is measured."""
    _search(site, max(1_000, searches // 5))
    before = _megabytes(site)
    _search(site, searches)
    after = _megabytes(site)
    growth = after / before - 1
    print(f"memory of all web processes: {before:.0f} MB, {after:.0f} MB after {searches:,} searches", flush=True)
    told(f"{searches:,} searches leave {growth:+.1%} of memory", kept=growth < MOST_GROWTH)


def _search(site: Site, searches: int) -> None:
    rng = random.Random(searches)

    def some() -> None:
        for number in range(searches // 4):
            site.get(new_search(rng.randrange(10**6)) if number % 10 == 0 else known_search(rng))

    run([some] * 4)


def _megabytes(site: Site) -> float:
    """Memory of the server's processes, pages that several share counted once; without the database's."""
    parent = psutil.Process(site.process.pid)
    ours = [one for one in [parent, *parent.children(recursive=True)] if "postgres" not in one.name()]
    return sum(one.memory_full_info().pss for one in ours) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--seconds", type=float, default=300.0, help="that 50 people are there")
    parser.add_argument("--looks", type=float, default=5.0, help="seconds that a person looks at a page, by mean")
    parser.add_argument("--searches", type=int, default=10_000, help="after which memory is compared")
    parser.add_argument("--pictures", default="", help="a folder to be ingested meanwhile, instead of drawn ones")
    given = parser.parse_args()
    if wrong := set(given.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(wrong)}")
    parts = given.parts or PARTS
    with filled() as data, served(data) as site:
        if "people" in parts:
            people(site, given.seconds, given.looks)
        if "unseen" in parts:
            unseen(site, given.seconds, given.looks)
        if "ingesting" in parts:
            ingesting(site, given.seconds, given.looks, given.pictures)
        if "memory" in parts:
            memory(site, given.searches)
    sys.exit(0 if _kept else 1)


if __name__ == "__main__":
    main()
