"""`python -m benchmarks.page_cost OLD [--rows 1000 30000]`: processor time of a page, against an older build.

OLD is the folder of that build, with or without a virtual environment. Both are measured in turns, each in its own
process with its own database, with the same rows and queries. Only that process's time counts: neither the database,
nor a model, since all query vectors are cached beforehand.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Self

from benchmarks.benchmark_environment import BASE, queries
from benchmarks.page_html import differences
from benchmarks.photos import SMALL, photos
from benchmarks.random_models import picture_model, text_model
from benchmarks.report import table
from imagesearch.environment import text

GOAL = 0.5
_BUILD = Path(__file__).with_name("page_build.py")
_PHOTOS = 64
_IN_A_ROUND = 8
_ROUNDS = 15


class Build:
    """A build that runs in its own process, in its folder."""

    def __init__(self, folder: Path, data: Path) -> None:
        ours = folder / ".venv" / "bin" / "python"
        self._process = subprocess.Popen(
            [ours if ours.exists() else sys.executable, str(_BUILD)],
            cwd=folder,
            env={**os.environ, "DATA_DIR": str(data), "COMPILE_MODELS": "off"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **wish: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, **wish}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("The build has ended: see what it says above.")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)


def compare(old: Path, rows: Sequence[int], rounds: int = _ROUNDS) -> str:
    """Return tables of the cost of pages in the build in the folder `old` and in this one."""
    data = Path(text("DATA_DIR", str(BASE / "var"))).resolve()
    cache = data / "benchmarks"
    cache.mkdir(parents=True, exist_ok=True)
    # Made once, for both.
    photos(cache, SMALL, _PHOTOS)
    picture_model(cache)
    text_model(cache)
    lines, differ = [], []
    with Build(old, data) as before, Build(BASE, data) as now:
        for seed, count in enumerate(rows):
            for build in (before, now):
                build.ask("fill", rows=count, photos=_PHOTOS)
            words = queries(2 * _IN_A_ROUND * (rounds + 1), seed)
            for build in (before, now):
                build.ask("know", queries=words)
            lines += _lines(count, before, now, words, rounds)
            differ += _differing(
                count, *(build.ask("html", words=words[0], other_words=words[1]) for build in (before, now))
            )
    header = ["Processor time of a page, ms", "old build", "this one", f"of it (goal: at most {GOAL:g})", ""]
    told = ["The HTML of both differs:", *differ] if differ else ["The HTML of both is equal, but for what is folded."]
    return "\n\n".join([table(header, lines), "\n".join(told)])


def _lines(count: int, before: Build, now: Build, words: Sequence[str], rounds: int) -> list[list[str]]:
    """Measure in rounds, with and without compression, where a build supports it."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    batches = iter(words)
    for number in range(rounds + 1):
        for accept, told in (("identity", ""), ("gzip", ", compressed")):
            batch = list(islice(batches, _IN_A_ROUND))
            # In alternating order.
            sides = (before, now) if number % 2 == 0 else (now, before)
            times = {id(side): side.ask("times", queries=batch, accept=accept) for side in sides}
            if number == 0:  # warm up
                continue
            for what in times[id(now)]:
                pair = found.setdefault(f"{count:,} rows, {what}{told}", ([], []))
                pair[0].append(median(times[id(before)][what]))
                pair[1].append(median(times[id(now)][what]))
    return [_line(what, *pair) for what, pair in found.items()]


def _line(what: str, before: Sequence[float], now: Sequence[float]) -> list[str]:
    ratios = [new / old for old, new in zip(before, now, strict=True)]
    middle = median(ratios)
    spread = f"**{middle:.2f}** ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds)"
    figures = [f"{1000 * median(times):.1f}" for times in (before, now)]
    return [what, *figures, spread, "met" if middle <= GOAL else "**not met**"]


def _differing(count: int, before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    found = []
    for what, html in before.items():
        lines = list(islice(differences(html, now[what]), 6))
        found += [f"    {count:,} rows, {what}: {line[:150]}" for line in lines]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_cost", description=__doc__)
    parser.add_argument("old", type=Path, help="the folder of the older build")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 30_000])
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    options = parser.parse_args()
    print(compare(options.old.resolve(), options.rows, options.rounds))


if __name__ == "__main__":
    main()
