"""An earlier version of this project, checked out for comparisons of two builds.

`python -m benchmarks.old_build [REVISION]` prints its folder. It runs in this version's environment.
"""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
REVISION = "6fcbea5"
"""The last version with vectors in the rows of images."""


class NoOldBuild(Exception):
    """The old build is unavailable. The message says why."""


def old_build(cache: Path, revision: str = REVISION) -> Path:
    """Return a folder below `cache` with the files of `revision`. Raises NoOldBuild."""
    command = ["git", "-C", str(BASE), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    commit = found.stdout.strip()
    if found.returncode or not commit:
        raise NoOldBuild(f"{revision} is not in this repository: clone it with its history.")
    folder = cache / f"old-{commit[:12]}"
    if not folder.exists():
        archive = subprocess.run(["git", "-C", str(BASE), "archive", commit], capture_output=True, check=True)
        draft = cache / f"draft-{commit[:12]}"
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(draft, filter="data")
        draft.replace(folder)
    return folder


if __name__ == "__main__":
    cache = BASE / "var" / "benchmarks"
    cache.mkdir(parents=True, exist_ok=True)
    print(old_build(cache, *sys.argv[1:2]))
