"""Encoders on OpenVINO, compiled from the downloaded models: no torch in the process, and a fraction of the time.

A compiled model is a folder of `model.xml`, `model.bin`, `about.json` and `trial.npy`, and for words `tokenizer.json`.
Processes map the weights from the file; those forked from one that has the model loaded share all of it. OpenVINO's
own cache of models is not used: it goes on serving old weights when `model.bin` alone has changed.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import PIL.Image
from openvino import properties
from openvino.properties import hint
from tokenizers import Tokenizer

from search.embedding import hardware
from search.embedding.compiled_metadata import About
from search.embedding.load_shedding import Turn
from search.embedding.pixels import stacked
from search.embedding.protocol import Picture
from search.embedding.quantization import GROUP, quantise
from search.models.vector_values import Vectors, WrongVectors, unit_vectors

BATCH = 16
"""Pictures that are encoded together: more of them are no faster."""
LEAST_TRIAL = 0.99
"""The least cosine between the vectors that a model gives to the same input when it is compiled and when opened."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is compiled: how its weights are kept, and in what is computed between the multiplications of bytes,
    or all of it where the weights are no bytes."""

    weights: str
    between: ov.Type


_INT8, _FLOAT16, _FLOAT32 = "int8", "float16", "float32"
WAYS = {
    "int8 with bfloat16": Way(_INT8, ov.Type.bf16),
    "int8 with float32": Way(_INT8, ov.Type.f32),
    "bfloat16": Way(_FLOAT16, ov.Type.bf16),
    "float32": Way(_FLOAT32, ov.Type.f32),
}
"""By their names, those that should be fast first. On a processor that adds up bytes but multiplies no bfloat16, which
OpenVINO then emulates, a picture of ViT-B/32 takes 56 ms with the first, 22 with the second and 44 with the last."""


def save(model: ov.Model, precision: str, folder: Path) -> None:
    """Write `model`, of float32, into `folder` with the weights of `precision`."""
    model, weights = model.clone(), WAYS[precision].weights
    if weights == _INT8:
        quantise(model)
    ov.save_model(model, folder / "model.xml", compress_to_fp16=weights == _FLOAT16)


class _Compiled:
    """One compiled model. One thread at a time makes use of it: two at once on the same cores would be no faster."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """Open it; an encoding takes so many `threads`, by default those that suit this process."""
        self.about = About.read(folder)
        self._model = _compiled(folder / "model.xml", WAYS[self.about.precision], threads or hardware.threads())
        self._turn = Turn()
        self._request: tuple[int, ov.InferRequest] | None = None

    @property
    def backend(self) -> str:
        return f"openvino {self.about.precision}"

    @property
    def dimensions(self) -> int:
        return self.about.dimensions

    def _computed(self, inputs: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        with self._turn.taken():
            # A process that was forked makes a request of its own.
            if self._request is None or self._request[0] != os.getpid():
                self._request = os.getpid(), self._model.create_infer_request()
            result: npt.NDArray[np.float32] = self._request[1].infer(inputs)[self._model.output(0)].copy()
            return result

    def _tried(self) -> Vectors:
        """Return the vector of an input that is always the same, shape (1, dimensions)."""
        raise NotImplementedError

    def write_trial(self, folder: Path) -> None:
        np.save(folder / "trial.npy", self._tried())

    def read_trial(self, folder: Path) -> None:
        """Encode once, which also lays out what the first use needs. Raises WrongVectors for a model that was damaged
        since it was compiled."""
        found = float((np.load(folder / "trial.npy") * self._tried()).sum())
        if not found >= LEAST_TRIAL:
            raise WrongVectors(f"The model gives other vectors than when it was compiled (cosine {found:.3f}).")


class CompiledPictures(_Compiled):
    """Pictures -> vectors."""

    def _tried(self) -> Vectors:
        ramp = PIL.Image.linear_gradient("L")
        picture = PIL.Image.merge("RGB", [ramp, ramp.rotate(90), ramp.rotate(180)])
        return self.encode_pictures([picture])

    @property
    def window(self) -> tuple[int, int, int] | None:
        assert self.about.window
        return self.about.window.sizes

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        batches = [np.zeros((0, self.dimensions), dtype=np.float32)]
        assert self.about.window
        for start in range(0, len(pictures), BATCH):
            pixels = stacked([self.about.window.cut(picture) for picture in pictures[start : start + BATCH]])
            batches.append(self._computed({"pixels": pixels}))
        return unit_vectors(np.concatenate(batches), count=len(pictures), dimensions=self.dimensions)


class CompiledTexts(_Compiled):
    """Texts -> vectors."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        super().__init__(folder, threads)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        names = {name for port in self._model.inputs for name in port.get_names()}
        self._names = [name for name in ("input_ids", "attention_mask") if name in names]

    def _tried(self) -> Vectors:
        return self.encode_texts(["two red stars on the beach"])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        # One by one: padded to the longest, all would take as long as that one.
        rows = [np.zeros((0, self.dimensions), dtype=np.float32), *(self._encoded(text) for text in texts)]
        return unit_vectors(np.concatenate(rows), count=len(texts), dimensions=self.dimensions)

    def _encoded(self, text: str) -> npt.NDArray[np.float32]:
        tokens = self._tokenizer.encode(text)
        given = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask}
        return self._computed({name: np.array([given[name]], dtype=np.int64) for name in self._names})


@cache
def core() -> ov.Core:
    """Return the one that the process keeps to its end.

    It gives the thread that makes it a stack for signals, and takes it away with itself: freed in another thread, it
    would leave the next Ctrl-C without one.
    """
    return ov.Core()


def _compiled(model: Path, way: Way, threads: int) -> ov.CompiledModel:
    return core().compile_model(
        str(model),
        "CPU",
        {
            hint.performance_mode(): hint.PerformanceMode.LATENCY,
            hint.inference_precision(): way.between,
            hint.dynamic_quantization_group_size(): GROUP if way.weights == _INT8 else 0,
            properties.num_streams(): 1,
            properties.inference_num_threads(): threads,
        },
    )
