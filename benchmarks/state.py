"""The cost of the State page, the ledger's pages and each check at so many pictures, and of the ledger for a run.

`python -m benchmarks.state [--rows 100000]`, with its own embedded database. Seconds of processor time, of Python and
the database server together.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.apart import apart
from benchmarks.report import table

GOAL_SECONDS, GOAL_QUERIES = 0.5, 20
ROUNDS = 5
_LEFT_OUT = 10_000


def work(rows: int) -> dict[str, Any]:
    """Return the time of each page and check, and the number of queries of pages."""
    from django.conf import settings  # noqa: PLC0415

    from benchmarks.edits_worker import Worker, processor_time  # noqa: PLC0415
    from search.ingestion import Report, run_recording  # noqa: PLC0415
    from search.models import Run, SearchDay  # noqa: PLC0415
    from search.state.periodic_checks import CHECKS, keep  # noqa: PLC0415

    settings.TRASH_DAYS = 30
    worker = Worker()
    worker.fill(rows)
    worker.sign_in()
    [(backend,)] = worker.sql("SELECT pg_backend_pid()")

    def timed(call: Callable[[], Any]) -> tuple[Any, float]:
        before = time.process_time() + processor_time(backend)
        made = call()
        return made, time.process_time() + processor_time(backend) - before

    found: dict[str, Any] = {"looks": {}, "pages": {}}
    for name in ("counts", "outliers"):
        made, seconds = timed(CHECKS[name].take)
        keep(name, made, seconds)
        found["looks"][name] = seconds
    record = run_recording.Record(Run.Kind.INGEST, run_recording.Origin(places=["/photos"]))
    report = Report(added=rows)
    for number in range(_LEFT_OUT):
        report.fail(f"/photos/{number}.jpg", "This picture is incomplete: the end of the file is missing.")

    def noted() -> None:
        with record:
            record.noting()(report)

    found["looks"][f"writing {_LEFT_OUT:,} names into the ledger"] = timed(noted)[1]
    SearchDay.objects.bulk_create([SearchDay(day=f"2026-11-{day:02}", searches=1_000) for day in range(1, 31)])
    Run.objects.bulk_create([Run(kind=kind, outcome="done") for kind in Run.Kind.values for _ in range(2_000)], 500)
    pages = {
        "state": "/admin/state/",
        "runs": "/admin/search/run/",
        "runs that left files out": "/admin/search/run/?left=out",
        "runs, searched": "/admin/search/run/?q=photos",
        "a run": f"/admin/search/run/{record.key}/change/",
        "outliers": "/admin/search/image/?outliers=yes",
        "without tags": "/admin/search/image/?lacks=tags",
    }
    for name, address in pages.items():
        worker.client.get(address)
        queries: list[str] = []

        def count(execute: Any, sql: str, *given: Any, queries: list[str] = queries) -> Any:
            queries.append(sql)
            return execute(sql, *given)

        with worker.connection.execute_wrapper(count):
            assert worker.client.get(address).status_code == 200, address
        each = [timed(partial(worker.client.get, address))[1] for _ in range(ROUNDS)]
        found["pages"][name] = [statistics.median(each), len(queries)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    found = apart("state", options.rows)
    pages = [[name, f"{seconds:.3f}", str(count)] for name, (seconds, count) in found["pages"].items()]
    print(f"{options.rows:,} pictures; the goal is {GOAL_SECONDS} s and {GOAL_QUERIES} queries.\n")
    print(table(["page", "processor s", "queries"], pages))
    print(table(["look", "processor s"], [[name, f"{seconds:.2f}"] for name, seconds in found["looks"].items()]))


if __name__ == "__main__":
    main()
