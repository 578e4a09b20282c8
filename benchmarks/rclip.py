"""rclip, a command-line search over a folder: its indexing of the same photos.

It gets its own virtual environment, kept in the benchmark's cache, and the same random image model as this system
instead of the one that it would download, as ONNX and with pictures of 224 pixels instead of 256. It decodes in
threads, hashes, embeds, and inserts into SQLite. It makes no thumbnail and copies no original.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.benchmark_environment import World

VERSION = "4.0.8"
_PYTHONS = ("python3.12", "python3.13", "python3.14")
"""It needs Python 3.12."""
_ONNX = ("onnx==1.19.0", "ml_dtypes", "protobuf", "typing_extensions")
"""What torch needs to export a model, in a separate folder: the product needs none of it."""

_EXPORT = """
import sys, torch
from transformers import CLIPModel

class Visual(torch.nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, pixels):
        return self.clip.visual_projection(self.clip.vision_model(pixel_values=pixels).pooler_output)

torch.onnx.export(
    Visual(CLIPModel.from_pretrained(sys.argv[1]).eval()), (torch.zeros(2, 3, 224, 224),), sys.argv[2],
    input_names=["input"], output_names=["output"], dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
    opset_version=17, dynamo=False,
)
"""
_SERVE = """
import contextlib, sys, tempfile
from pathlib import Path
from rclip import db, main, model
from rclip.utils import helpers, preprocess
preprocess.IMAGE_SIZE = main.IMAGE_SIZE = 224
loaded, batch = model.Model(), helpers.init_arg_parser().parse_args(["query"]).indexing_batch_size
for line in sys.stdin:
    with tempfile.TemporaryDirectory() as folder:
        database = db.DB(Path(folder) / "db.sqlite3")
        indexing = main.RClip(loaded, database, batch, None)
        with contextlib.redirect_stdout(sys.stderr):
            indexing.ensure_index(line.rstrip("\\n"))
        found = len(database.get_filepaths_by_dir_path(line.rstrip("\\n")).fetchall())
        indexing.close()
        database.close()
    print(found, flush=True)
"""


class Unavailable(Exception):
    """rclip is unavailable. The message says why."""


class Rclip:
    """A process with its model loaded that indexes one folder after the other, each into its own database."""

    def __init__(self, world: World) -> None:
        """Install and start it. Raises Unavailable."""
        home = world.cache / f"rclip-{VERSION}"
        model = home / "data" / "ViT-B-32-256-datacomp_s34b_b86k" / "visual.onnx"
        try:
            python = _installed(home / "venv")
            if not model.exists():
                _export(world.picture_model, model, home / "onnx")
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"{' '.join(error.cmd[:5])} ... ended with {error.returncode}") from error
        self._process = subprocess.Popen(
            [python, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "RCLIP_DATADIR": str(home / "data"), "HF_HUB_OFFLINE": "1"},
        )

    def index(self, paths: Sequence[Path]) -> None:
        """Index the whole folder of these photos."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{paths[0].resolve().parent}\n")
        self._process.stdin.flush()
        assert int(self._process.stdout.readline()) >= len(paths)

    def processor_time(self) -> float:
        """Return the seconds of processor time of its process so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _installed(folder: Path) -> Path:
    python, done = folder / "bin" / "python", folder / ".installed"
    if not done.exists():
        _quietly([_python(), "-m", "venv", "--clear", str(folder)])
        _quietly([str(python), "-m", "pip", "install", "--quiet", f"rclip=={VERSION}"])
        done.touch()
    return python


def _python() -> str:
    """Return a recent enough interpreter. Raises Unavailable."""
    versions = Path.home() / ".pyenv" / "versions"
    at_hand = [sys.executable, *_PYTHONS, *(str(found) for found in sorted(versions.glob("3.*/bin/python")))]
    for python in at_hand:
        asked = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"]
        with suppress(OSError):
            if subprocess.run(asked, check=False, capture_output=True).returncode == 0:
                return python
    raise Unavailable("rclip 4 needs Python 3.12, and there is none")


def _export(picture_model: Path, onnx: Path, packages: Path) -> None:
    onnx.parent.mkdir(parents=True, exist_ok=True)
    _quietly([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), *_ONNX])
    draft = onnx.with_suffix(".draft")
    # After the packages of this environment, which must take precedence over those of onnx.
    script = f"import sys; sys.path.append({str(packages)!r})\n{_EXPORT}"
    _quietly([sys.executable, "-c", script, str(picture_model), str(draft)])
    draft.rename(onnx)


def _quietly(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
