"""Pictures a second from files to rows: `search.ingestion.ingest` and the plain loop in turns, over the same files."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from django.conf import settings
from django.db import connection

from benchmarks.photos import Size, photos
from benchmarks.plain import PlainLoop
from benchmarks.report import Pairs
from benchmarks.world import FILLER, World
from search.ingestion import files_source, ingest
from search.ingestion.line import BATCH

Arm: TypeAlias = Callable[[Sequence[Path]], object]


def measure(world: World, plain: PlainLoop, size: Size, *, count: int, pairs: int) -> Pairs:
    """Ingest the same `count` photos in both ways, in turns, forgetting them after each time."""
    paths = photos(world.cache, size, count)
    kilobytes = sum(path.stat().st_size for path in paths) / count / 1000
    result = Pairs(f"{size.name} photos, {size.width}×{size.height}, {kilobytes:.0f} kB", pictures=count)
    arms: list[tuple[Arm, list[float]]] = [(_ours, result.ours), (plain.ingest, result.plain)]
    for arm, _ in arms:  # what is slow the first time
        _timed(arm, paths[:BATCH])
    for number in range(pairs):
        # Each of them first every other time, so that a machine that slows down favours neither.
        for arm, times in arms if number % 2 == 0 else reversed(arms):
            times.append(_timed(arm, paths))
    return result


def _ours(paths: Sequence[Path]) -> None:
    ingest(files_source(map(str, paths)))


def _timed(arm: Arm, paths: Sequence[Path]) -> float:
    start = time.perf_counter()
    arm(paths)
    seconds = time.perf_counter() - start
    assert forget() == len(paths)
    return seconds


def forget() -> int:
    """Delete the rows and objects that an ingestion left; return how many rows there were."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM search_image WHERE title <> %s", [FILLER])
        count: int = cursor.rowcount
        cursor.execute("VACUUM search_image")
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
    return count
