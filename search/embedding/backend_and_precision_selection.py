"""Selection of the fastest backend and precision (float32, bfloat16, int8) on this machine among those that pass the
acceptance test."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino as ov
import torch

from search.embedding import hardware
from search.embedding.acceptance_samples import sample_pictures, sample_texts
from search.embedding.acceptance_test import agreement
from search.embedding.backend_timing import HOPELESS, least_seconds
from search.embedding.compilation_results import Figure, Verdict
from search.embedding.compiled_metadata import About
from search.embedding.model_modules import UnknownModel
from search.embedding.openvino_encoders import BATCH, INT8, WAYS, CompiledPictures, CompiledTexts, save
from search.embedding.openvino_export import exported_pictures, exported_texts
from search.embedding.pixels import Window
from search.embedding.quantization import group_size
from search.embedding.torch_encoders import SentencePictures, SentenceTexts, torch_ways
from search.embedding.uncompiled_models import torch_pictures, torch_texts
from search.models.vector_values import Vectors, WrongVectors

QUERIES = 8
"""Texts encoded in each run, one after the other."""
WORTH_TORCH = 1.1
"""Torch is used if it is this many times as fast as anything compiled: a process with torch takes seconds longer to
start, and 350 MB more."""

EMULATED = "is not tried: OpenVINO would emulate bfloat16, which this processor does not have"

Encode = Callable[[Sequence[Any]], Vectors]


@dataclass
class _Contest:
    """Backends, timed on the same input as in use: pictures in batches on all cores, as ingestion does, and texts one
    by one in a single thread, as web workers do."""

    exact: SentencePictures | SentenceTexts
    samples: Sequence[Any]
    unit: str
    count: int
    """Inputs encoded in each run."""
    at_once: int
    threads: int
    said: dict[str, str] = field(default_factory=dict)
    """For each backend: its agreement, or why it is excluded."""

    def verdict(self, compiled: dict[str, Encode], refused: str = "") -> Verdict:
        """Return the fastest of `compiled` and of torch's own backends. `refused`: why nothing could be compiled."""
        torchs: dict[str, Encode] = torch_ways(self.exact)
        with _torch_threads(self.threads):
            took = self._milliseconds({**compiled, **torchs})
        self.said |= {name: EMULATED for name in WAYS if compiled and name not in compiled}
        figures = [Figure(name, took.get(name), said) for name, said in self.said.items()]
        figures.sort(key=lambda figure: (figure.milliseconds is None, figure.milliseconds or 0.0))
        best = min((name for name in took if name in compiled), key=took.__getitem__, default="")
        torch_best = min((name for name in took if name in torchs), key=took.__getitem__)
        torch_time = f"{torch_best} takes {took[torch_best]:.1f}"
        if not best:
            why = f"{refused or '; '.join(f'{name} {self.said[name]}' for name in compiled)}; {torch_time}"
        elif took[best] > WORTH_TORCH * took[torch_best]:
            best, why = "", f"{torch_time} ms a {self.unit}, compiled {took[best]:.1f}"
        else:
            why = f"{took[best]:.1f} ms a {self.unit}, where {torch_time}; {self.said[best]}"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return Verdict(best, why, figures, f"{hardware.processor_name()}, {threads}")

    def _milliseconds(self, ways: dict[str, Encode]) -> dict[str, float]:
        """Return the time of each backend that agrees. Agreement of a hopelessly slow one is not tested."""
        turns = {name: self._turn(encode, 1) for name, encode in ways.items() if self._works(name, encode)}
        trial = least_seconds(turns, budget=0)
        exact = self.exact.exactly(self.samples)
        runs = {}
        for name in turns:
            if (times := trial[name] / min(trial.values())) > HOPELESS and name != "torch float32":
                self.said[name] = f"is not tried further: {times:.0f} times as slow as the fastest"
            elif self._agrees(name, ways[name], exact):
                runs[name] = self._turn(ways[name], self.count)
        return {name: 1000 * seconds / self.count for name, seconds in least_seconds(runs).items()}

    def _works(self, name: str, encode: Encode) -> bool:
        try:
            encode(self.samples[:1])
        except (WrongVectors, RuntimeError) as error:  # unsupported on this processor
            self.said[name] = f"can't be used here: {error}"
            return False
        return True

    def _agrees(self, name: str, encode: Encode, exact: Vectors) -> bool:
        try:
            found = agreement(exact, encode(self.samples))
        except (WrongVectors, RuntimeError) as error:  # such as an overflow, or an unsupported operation
            self.said[name] = f"does not agree with float32: {error}"
            return False
        self.said[name] = f"{'agrees' if found.is_enough else 'does not agree'} with float32: {found}"
        return found.is_enough or name == "torch float32"

    def _turn(self, encode: Encode, count: int) -> Callable[[], None]:
        parts = [self.samples[start : start + self.at_once] for start in range(0, count, self.at_once)]

        def run() -> None:
            for part in parts:
                encode(part[:count])

        return run


def chosen_pictures(draft: Path, name: str = "") -> Verdict:
    """Leave the fastest compiled model in `draft`, unless torch is faster."""
    exact = torch_pictures(name)
    contest = _Contest(exact, sample_pictures(), "picture", count=BATCH, at_once=BATCH, threads=hardware.threads())
    try:
        model, window = exported_pictures(exact.model)
    except UnknownModel as reason:
        return contest.verdict({}, str(reason))
    contest.samples = [window.cut(picture) for picture in contest.samples]
    opened = {name: CompiledPictures(folder) for name, folder in _saved(model, window, exact.dimensions, draft)}
    verdict = contest.verdict({name: encoder.encode_pictures for name, encoder in opened.items()})
    _keep(verdict, opened, draft)
    return verdict


def chosen_texts(draft: Path, name: str = "") -> Verdict:
    """Leave the fastest compiled model in `draft`, unless torch is faster."""
    exact = torch_texts(name)
    exact.model.to("cpu")  # one compiled model shared by web workers is better than GPU memory for each
    contest = _Contest(exact, sample_texts(), "query", count=QUERIES, at_once=1, threads=1)
    try:
        model, tokenizer = exported_texts(exact.model)
    except UnknownModel as reason:
        return contest.verdict({}, str(reason))
    opened = {}
    for name, folder in _saved(model, None, exact.dimensions, draft):
        tokenizer.save(str(folder / "tokenizer.json"))
        opened[name] = CompiledTexts(folder, threads=1)
    verdict = contest.verdict({name: encoder.encode_texts for name, encoder in opened.items()})
    _keep(verdict, opened, draft)
    return verdict


def _saved(model: ov.Model, window: Window | None, dimensions: int, draft: Path) -> Iterator[tuple[str, Path]]:
    """Save `model` for each backend that is possible here, in a folder of its own; yield names and folders."""
    group = group_size(model)
    for name in WAYS:
        if name not in _possible():
            continue
        folder = draft / name.replace(" ", "-")
        folder.mkdir()
        save(model, name, folder)
        About(name, dimensions, window, group if WAYS[name].weights == INT8 else 0).write(folder)
        yield name, folder


def _possible() -> list[str]:
    """Return the backends that the processor supports in hardware.

    Emulation in OpenVINO is slower and can return empty results, and it reports bfloat16 on processors without it.
    """
    return [name for name, way in WAYS.items() if hardware.multiplies_bfloat16() or way.between != ov.Type.bf16]


def _keep(verdict: Verdict, opened: dict[str, Any], draft: Path) -> None:
    """Move the files of the chosen backend up into `draft`, and remove all others."""
    if verdict.precision:
        opened[verdict.precision].write_trial(draft)
    for folder in [path for path in draft.iterdir() if path.is_dir()]:
        if folder.name == verdict.precision.replace(" ", "-"):
            for path in folder.iterdir():
                path.rename(draft / path.name)
        shutil.rmtree(folder)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
