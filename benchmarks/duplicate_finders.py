"""Other duplicate finders on the pictures of `manage.py evaluate_duplicates`: czkawka (by its Python binding) and the
perceptual hash of imagededup. Each in a virtual environment of its own, in a temporary folder.

`python -m benchmarks.duplicate_finders PHOTOS [--altered 300] [--others 700]`
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PEERS = {
    "czkawka 0.1.2": ["czkawka==0.1.2"],
    "imagededup 0.3.3.post2": ["PyWavelets", "numpy", "pillow", "tqdm", "scikit-learn", "matplotlib"],
}
_CZKAWKA = """
import itertools, json, sys
from pathlib import Path
import czkawka
finder = czkawka.ImageSimilarity()
finder.set_directories([Path(sys.argv[1])])
finder.set_similarity(int(sys.argv[2]))
pairs = set()
for group in finder.find_similar():
    pairs |= set(itertools.combinations(sorted(int(path.stem) for path in group), 2))
print(json.dumps(sorted(pairs)))
"""
_IMAGEDEDUP = """
import json, sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

class Absent:  # its networks are not used
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in ("torch", "torchvision") else None
    def create_module(self, spec):
        return MagicMock(Tensor=type("Tensor", (), {}), __path__=[], __spec__=spec)
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Absent())
sys.modules["imagededup.methods.cnn"] = MagicMock()
from imagededup.methods import PHash
if __name__ == "__main__":
    found = PHash(verbose=False).find_duplicates(sys.argv[1], max_distance_threshold=int(sys.argv[2]))
    pairs = {tuple(sorted((int(one[:-4]), int(other[:-4])))) for one, others in found.items() for other in others}
    print(json.dumps(sorted(pairs)))
"""


def _installed(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield the name of each peer, its interpreter, and the script to run."""
    for number, (name, packages) in enumerate(_PEERS.items()):
        home = folder / str(number)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *packages], check=True)
        if name.startswith("imagededup"):  # without torch and torchvision
            subprocess.run([*pip, "--no-deps", name.replace(" ", "==")], check=True)
        yield name, home / "bin" / "python", _CZKAWKA if name.startswith("czkawka") else _IMAGEDEDUP


def _asked(python: Path, script: str, folder: Path, level: int) -> tuple[set[tuple[int, int]], float, float]:
    """Return the pairs, wall-clock seconds, and seconds of processor time."""
    file = folder.parent / "ask.py"
    file.write_text(script)
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run(
        [str(python), str(file), str(folder), str(level)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(folder.parent)},  # no caches from another run
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    pairs: Any = json.loads(answer.stdout.splitlines()[-1])
    return {(one, other) for one, other in pairs}, time.perf_counter() - started, used


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.duplicate_finders", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--altered", type=int, default=300)
    parser.add_argument("--others", type=int, default=700)
    options = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "imagesearch.settings", "DEBUG": "on", "SECRET_KEY": "unused"}
    import django  # noqa: PLC0415

    django.setup()
    from search.duplicates.evaluation import altered_pictures, evaluate, precision_and_recall  # noqa: PLC0415

    pictures = altered_pictures(options.photos, options.altered, options.others)
    with tempfile.TemporaryDirectory(prefix="finders-") as name:
        folder = Path(name, "pictures")
        folder.mkdir()
        for number, picture in enumerate(pictures.shown):
            picture.save(folder / f"{number:05}.png", compress_level=1)
        print("this system")
        started = time.perf_counter()
        print(*evaluate(pictures), f"{time.perf_counter() - started:.0f} s", sep="\n")
        for peer, python, script in _installed(Path(name)):
            for level in (4, 10, 16):
                found, seconds, used = _asked(python, script, folder, level)
                print(f"\n{peer}, at most {level} bits: {seconds:.0f} s, {used:.0f} s of processor time")
                print(*precision_and_recall(pictures, found), sep="\n")


if __name__ == "__main__":
    main()
