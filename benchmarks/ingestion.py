"""Pictures a second from files to searchable rows, against alternatives, in turns.

The alternatives: the plain loop, rclip, and this system's decoding and encoding alone, as an upper bound.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeAlias

from django.conf import settings
from django.db import connection

from benchmarks.benchmark_environment import FILLER, World
from benchmarks.photos import Size, photos
from benchmarks.plain_loop import PlainLoop
from benchmarks.rclip import Rclip
from benchmarks.report import table
from search.embedding import Picture, picture_encoder
from search.ingestion import files_source, ingest
from search.ingestion.adding import read_for_model
from search.ingestion.pipeline.stage_threads import Stage
from search.ingestion.pipeline.steps import BATCH, UNDER_WAY

Arm: TypeAlias = Callable[[Sequence[Path]], object]
ALONE = "decoding and encoding alone"
PLAIN = "plain loop"
PLAIN_PHOTOS = 96
"""Photos for the plain loop, fewer than for the others: its time per photo is constant."""


@dataclass(frozen=True)
class Turn:
    """Pictures a second, and milliseconds of processor time a picture, without the database server."""

    rate: float
    processor: float


@dataclass
class Turns:
    """The same photos, round by round: `ours[n]` and `others[name][n]` are adjacent in time."""

    photos: str
    ours: list[Turn] = field(default_factory=list)
    others: dict[str, list[Turn]] = field(default_factory=dict)

    def ratios(self, name: str) -> list[float]:
        """This system's rate relative to the other's, round by round."""
        return [own.rate / theirs.rate for theirs, own in zip(self.others[name], self.ours, strict=True)]

    def rows(self) -> list[list[str]]:
        rows = []
        for name, turns in self.others.items():
            ratios = self.ratios(name)
            told = f"**{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds)"
            rows.append([f"{self.photos}: {name}", _told(self.ours), _told(turns), told])
        return rows


def _told(turns: Sequence[Turn]) -> str:
    return f"{median(turn.rate for turn in turns):.1f} / {median(turn.processor for turn in turns):.1f}"


def turns_table(results: Sequence[Turns]) -> str:
    header = ["Ingestion: pictures a second / processor ms of one", "this system", "the other", "times as fast"]
    return table(header, [row for turns in results for row in turns.rows()])


def measure(world: World, plain: PlainLoop, rclip: Rclip | None, size: Size, *, count: int, rounds: int) -> Turns:
    """Ingest the same `count` photos in all ways, in turns, deleting them after each time."""
    paths = photos(world.cache, size, count)
    kilobytes = sum(path.stat().st_size for path in paths) / count / 1000
    turns = Turns(f"{size.name} photos, {size.width}×{size.height}, {kilobytes:.0f} kB")
    others: dict[str, Arm] = {PLAIN: plain.ingest, ALONE: decode_and_encode}
    if rclip:
        others["rclip"] = rclip.index
    turns.others = {name: [] for name in others}
    arms: list[tuple[Arm, list[Turn], Sequence[Path]]] = [(_ours, turns.ours, paths)]
    for name, arm in others.items():
        arms.append((arm, turns.others[name], paths[:PLAIN_PHOTOS] if name == PLAIN else paths))
    for arm, _, own in arms:  # warm up
        if rclip is None or arm != rclip.index:  # which indexes a whole folder, and is warm after its first picture
            _timed(arm, own[:BATCH], time.process_time)
    for number in range(rounds):
        # In alternating order, so that a machine that slows down favours none.
        for arm, done, own in arms if number % 2 == 0 else reversed(arms):
            clock = rclip.processor_time if rclip and arm == rclip.index else time.process_time
            done.append(_timed(arm, own, clock))
    return turns


def _ours(paths: Sequence[Path]) -> None:
    assert ingest(files_source(map(str, paths))).added == len(paths)


def decode_and_encode(paths: Sequence[Path]) -> None:
    """Decode and encode for the model as ingestion does, in as many threads; nothing is stored."""
    encoder = picture_encoder()
    room, encoded = threading.Semaphore(UNDER_WAY), threading.Semaphore(0)
    failures: list[BaseException] = []

    def encode(pictures: list[Picture]) -> None:
        encoder.encode_pictures(pictures)
        for _ in pictures:
            room.release()
            encoded.release()

    def failed(error: BaseException) -> None:
        failures.append(error)
        for _ in paths:  # nothing waits for the rest
            room.release()
            encoded.release()

    encoding = Stage("encode", encode, threads=1, failed=failed, at_once=BATCH)
    decoding: Stage[Path] = Stage(
        "decode",
        lambda jobs: encoding.submit(read_for_model(jobs[0].read_bytes(), encoder.window).picture),
        threads=max(2, os.cpu_count() or 1),
        failed=failed,
    )
    for path in paths:
        room.acquire()
        decoding.submit(path)
    for _ in paths:
        encoded.acquire()
    decoding.end()
    encoding.end()
    assert not failures, failures


def _timed(arm: Arm, paths: Sequence[Path], processor_time: Callable[[], float]) -> Turn:
    start, used = time.perf_counter(), processor_time()
    arm(paths)
    seconds, used = time.perf_counter() - start, processor_time() - used
    forget()
    return Turn(len(paths) / seconds, 1000 * used / len(paths))


def forget() -> None:
    """Delete the rows, objects and origins of an ingestion."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM search_image WHERE title <> %s", [FILLER])
        cursor.execute("TRUNCATE search_origin")
        cursor.execute("VACUUM search_image")
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
