"""A curator's waiting times in a collection of 100,000: pages of the admin, and typical steps.

`python -m benchmarks.curating [--rows 100000] [--rounds 3]`, with its own embedded database. Times are processor time
of Python and the database server together, so that other load on the machine doesn't count.
"""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.apart import apart
from benchmarks.report import table

MANY = 500
"""Pictures in a bulk step."""
PAGES = {
    "the index": "/admin/",
    "images": "/admin/search/image/",
    "images, page 50": "/admin/search/image/?p=50",
    "images, as a grid": "/admin/search/image/?view=grid",
    "images, by meaning": "/admin/search/image/?q=boats+in+the+evening",
    "images, by meaning, one tag": "/admin/search/image/?q=boats+tag:market",
    "images, untagged": "/admin/search/image/?lacks=tags",
    "images, hidden": "/admin/search/image/?q=is:hidden",
    "duplicates": "/admin/search/image/duplicates/",
    "history": "/admin/search/revision/",
    "trash": "/admin/search/trashed/",
    "reports": "/admin/search/report/",
    "judgements": "/admin/search/image/compare/",
    "tags": "/admin/search/vocabularytag/",
    "runs": "/admin/search/run/",
    "state": "/admin/state/",
    "albums": "/albums/",
    "map": "/map/",
    "a search": "/search?q=boats",
    "all results of a search": "/selection/all?q=boats+tag:market&all=strong",
}


@dataclass
class Found:
    """The measurements of all rounds."""

    seconds: list[float] = field(default_factory=list)
    queries: int = 0
    status: int = 0


def work(rows: int, rounds: int) -> dict[str, tuple[list[float], int, int]]:
    """Return, per step, the seconds of the rounds, the maximum number of queries, and the status."""
    import time  # noqa: PLC0415

    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from benchmarks.edits_worker import Worker, processor_time  # noqa: PLC0415

    worker = Worker()
    worker.fill(rows)
    client = Client()
    client.force_login(User.objects.create_superuser("curator"))
    [(backend,)] = worker.sql("SELECT pg_backend_pid()")
    found: defaultdict[str, Found] = defaultdict(Found)
    asked = 0

    def counted(execute: Any, *arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return execute(*arguments)

    def timed(name: str, method: str, address: str, **values: Any) -> Any:
        nonlocal asked
        asked, before = 0, time.process_time() + processor_time(backend)
        with connection.execute_wrapper(counted):
            answer = getattr(client, method)(address, values or None, follow=method == "get")
        one = found[name]
        one.seconds.append(time.process_time() + processor_time(backend) - before)
        one.queries, one.status = max(one.queries, asked), answer.status_code
        return answer

    # The first query loads the model, which a server does before it answers requests.
    client.get("/search", {"q": "warm up"})
    for _round in range(rounds):
        for name, address in PAGES.items():
            timed(name, "get", address)
        for name, values in _steps():
            timed(name, "post", "/selection/change", **values)
            _undo_last(name, timed)
    return {name: (one.seconds, one.queries, one.status) for name, one in found.items()}


def _steps() -> Iterator[tuple[str, dict[str, Any]]]:
    from django.contrib.auth.models import User  # noqa: PLC0415

    from search.models import Image, WorkingSet  # noqa: PLC0415

    curator = User.objects.get(username="curator")
    ids = list(Image.objects.order_by("pk").values_list("pk", flat=True)[:MANY])
    for verb, count in (("tag", 1), ("tag", MANY), ("hide", MANY), ("trash", MANY)):
        kept = WorkingSet.keep(curator, ids[:count], search="q=boats")
        yield f"{verb} {count}", {"do": verb, "tags": "seen", "set": str(kept.pk)}


def _undo_last(name: str, timed: Any) -> None:
    from search.models import Revision  # noqa: PLC0415

    last = Revision.objects.order_by("-pk").first()
    assert last
    timed(f"undo: {name}", "post", "/selection/undo", revision=str(last.pk))


def compare(rows: int, rounds: int = 3) -> str:
    """Return the table for a collection of that size, in its own embedded database."""
    found = apart("curating", rows, rounds)
    lines = [
        [name, f"{statistics.median(seconds) * 1000:.0f}", f"{max(seconds) * 1000:.0f}", str(queries), str(status)]
        for name, (seconds, queries, status) in found.items()
    ]
    return table([f"Curating {rows:,} pictures, processor ms", "median", "at most", "queries", "status"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curating", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(compare(options.rows, options.rounds))


if __name__ == "__main__":
    main()
