"""The cost of edits in this build and an old one: the same edits of a tenth of the same rows, in turns.

`python -m benchmarks.edits OLD_FOLDER [--rows 100000] [--rounds 2]`, where `python -m benchmarks.old_build` prints the
folder. Each build has a temporary embedded database.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import table

BASE = Path(__file__).resolve().parent.parent
EDITS = {
    "tag": "`QuerySet.update(tags=...)`",
    "title": "`QuerySet.update(title=...)`",
    "licence": "`QuerySet.update(licence=...)`",
    "hide": "`Image.hide_all`, then shown again",
    "admin_tag": "the admin's “Add the tags”",
    "admin_hide": "the admin's “Hide”, then “Show”",
}


class Build:
    """A build running in a process of its own."""

    def __init__(self, folder: Path, data: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("edits_worker.py")), str(folder), str(data)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **told: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(told), file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"The build has ended with {self._process.wait()}.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


@dataclass
class Measured:
    """Wall-clock seconds, and seconds of processor time of Python and the database server, of one kind of edit."""

    edit: str
    ours: list[tuple[float, float]] = field(default_factory=list)
    old: list[tuple[float, float]] = field(default_factory=list)

    def row(self) -> list[str]:
        (seconds, processor), (old_seconds, old_processor) = (
            [median(column) for column in zip(*side, strict=True)] for side in (self.ours, self.old)
        )
        ratios = [old / ours for (ours, _), (old, _) in zip(self.ours, self.old, strict=True)]
        return [
            EDITS[self.edit],
            f"{seconds:.2f} ({processor:.2f})",
            f"{old_seconds:.1f} ({old_processor:.1f})",
            f"**{median(ratios):.0f}** ({old_processor / processor:.0f})",
        ]


def compare(old: Path, rows: int, rounds: int = 2, edits: Sequence[str] = tuple(EDITS)) -> str:
    """Return a table of the cost of edits in the build in the folder `old` and in this one."""
    with tempfile.TemporaryDirectory(prefix="edits-") as data:
        builds = Build(old, Path(data, "old")), Build(BASE, Path(data, "ours"))
        try:
            return _measured(*builds, rows, rounds, edits)
        finally:
            for build in builds:
                build.close()


def _measured(old: Build, ours: Build, rows: int, rounds: int, edits: Sequence[str]) -> str:
    for build in (old, ours):
        build.ask(do="fill", rows=rows)
    found, grown = [Measured(edit) for edit in edits], 0
    for turn in range(rounds * len(found)):
        # Each edits fresh rows as long as there are any: an earlier edit leaves room on its pages, and an edit that
        # finds room there writes no index in either build.
        each = found[turn % len(found)]
        for build, times in ((old, each.old), (ours, each.ours)):
            answer = build.ask(do="edit", what=each.edit, round_=turn)
            times.append((answer["seconds"], answer["processor"]))
            grown += answer["grown"] if build is ours else 0
            print(each.edit, answer, file=sys.stderr, flush=True)
    header = [f"{rows // 10:,} of {rows:,} images, s (processor)", "this build", "old build", "times as fast"]
    growth = f"By all these edits the index of the vectors has grown by {grown} bytes."
    return table(header, [each.row() for each in found]) + f"\n\n{growth}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edits", description=__doc__)
    parser.add_argument("old", type=Path, help="the folder of the old build")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--edits", nargs="*", choices=list(EDITS), default=list(EDITS))
    options = parser.parse_args()
    print(compare(options.old.resolve(), options.rows, options.rounds, options.edits))


if __name__ == "__main__":
    main()
