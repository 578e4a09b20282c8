"""The cost of decoding in separate processes for ingestion: this build and an earlier one, in turns, on equal photos.

    python -m benchmarks.decoding [--before COMMIT] [--photos 300] [--rounds 5]

The earlier build, which decoded in threads, is checked out beside this one. Processor time is that of the ingesting
process and its decoders, without the database server.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

BASE = Path(__file__).resolve().parent.parent
BEFORE = "a67186f"
"""The last commit that decoded in the ingesting process."""

_ARM = """
import os, resource, sys, time
from benchmarks.benchmark_environment import make_world, start
world = make_world()
start()
from benchmarks.ingestion import _ours, forget
from benchmarks.photos import LARGE, SMALL, photos
import psutil
def processor():
    children = [one for one in psutil.Process().children() if one.name().startswith("python")]
    alive = sum(sum(one.cpu_times()[:2]) for one in children)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + alive + ended.ru_utime + ended.ru_stime
for line in sys.stdin:
    name, count = line.split()
    paths = photos(world.cache, {"large": LARGE, "small": SMALL}[name], 500)[:int(count)]
    begun, used = time.perf_counter(), processor()
    _ours(paths)
    print("took", time.perf_counter() - begun, processor() - used, flush=True)
    forget()
"""


class Arm:
    """A process that ingests with the code in `folder`, repeatedly."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(folder), "DATA_DIR": str(BASE / "var")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ARM],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ingest(self, photos: str, count: int) -> tuple[float, float]:
        """Return wall-clock seconds and seconds of processor time."""
        assert self._process.stdin
        assert self._process.stdout
        print(photos, count, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("took "):
                _, seconds, used = line.split()
                return float(seconds), float(used)
        raise SystemExit("A build ended early.")

    def end(self) -> None:
        self._process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", default=BEFORE)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "--detach", str(before), options.before], cwd=BASE, check=True)
        arms = [Arm(before), Arm(BASE)]
        try:
            for photos in ("large", "small"):
                print(_compared(arms, photos, options.photos, options.rounds), flush=True)
        finally:
            for arm in arms:
                arm.end()
            subprocess.run(["git", "worktree", "remove", "--force", str(before)], cwd=BASE, check=True)


def _compared(arms: list[Arm], photos: str, count: int, rounds: int) -> str:
    for arm in arms:
        arm.ingest(photos, 64)  # warm up
    turns: list[list[tuple[float, float]]] = [[], []]
    for number in range(rounds):
        # In alternating order, so that a machine that slows down favours none.
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            turns[which].append(arms[which].ingest(photos, count))
    before, now = turns
    lines = [f"{photos} photos, {count} of them, {rounds} rounds: before, now, and now / before in each round"]
    for name, part in (("seconds", 0), ("processor seconds", 1)):
        ratios = [new[part] / old[part] for old, new in zip(before, now, strict=True)]
        told = " ".join(f"{ratio:.3f}" for ratio in ratios)
        old, new = (median(one[part] for one in side) for side in (before, now))
        lines.append(f"  {name}: {old:.2f}, {new:.2f}, median {median(ratios):.3f} ({told})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
