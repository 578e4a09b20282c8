"""Progress of long commands: a bar on a terminal, else a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from search.ingestion import Progress as OnProgress
from search.ingestion import Report

LINE_EVERY = 10.0
"""Seconds between two lines."""


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} pictures/s" if task.speed else "")


@contextmanager
def progress_of(total: int | Callable[[], int | None], out: OutputWrapper) -> Iterator[OnProgress]:
    """Show the progress of `total` files on `out` while the block runs; a function returns it once it is known."""
    total = _constant(total) if isinstance(total, int) else total
    if out.isatty():
        with _bar() as bar:
            task = bar.add_task("Pictures", total=total())
            yield lambda report: bar.update(
                task,
                completed=report.seen,
                total=total(),
                description=report.doing or "Pictures",
                refresh=bool(report.doing),
            )
    else:
        yield _Lines(total, out)


def _constant(total: int) -> Callable[[], int | None]:
    return lambda: total


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(),
    )


class _Lines:
    def __init__(self, total: Callable[[], int | None], out: OutputWrapper) -> None:
        self.total = total
        self.out = out
        self.began = self.printed = time.monotonic()

    def __call__(self, report: Report) -> None:
        now = time.monotonic()
        if report.doing:
            self.out.write(f"{report.doing} ...")
            return
        if not report.seen:  # the first call: listing the files before it is not counted
            self.began = self.printed = now
            return
        if now - self.printed < LINE_EVERY:
            return
        self.printed = now
        speed = report.seen / (now - self.began)
        total = self.total()
        count = f"{report.seen:,} pictures" if total is None else f"{report.seen:,} of {total:,} pictures"
        left = "" if total is None else f", {(total - report.seen) / speed:,.0f} s left"
        self.out.write(f"{count}, {speed:,.0f} a second{left}")
