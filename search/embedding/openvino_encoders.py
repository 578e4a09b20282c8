"""Encoders on OpenVINO, compiled from the downloaded models: no torch in the process, and a fraction of the time.

A compiled model is a folder of `model.xml`, `model.bin`, `about.json` and `trial.npy`, and for texts `tokenizer.json`.
Processes map the weights from the file; those forked from one that has loaded the model share all of it. OpenVINO's
own model cache is not used: it keeps serving old weights when only `model.bin` has changed.
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
from search.embedding.load_shedding import BoundedLock
from search.embedding.pixels import stacked
from search.embedding.protocol import Picture
from search.embedding.quantization import GROUP, quantise
from search.models.vector_values import Vectors, WrongVectors, unit_vectors

BATCH = 16
"""Pictures per batch: larger batches are no faster."""
LEAST_TRIAL = 0.99
"""Minimum cosine of the vectors for the same input when a model was compiled and when it is opened."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is compiled: the storage of weights, and the data type between int8 multiplications, or of all
    computation if weights are not int8."""

    weights: str
    between: ov.Type


_INT8, _FLOAT16, _FLOAT32 = "int8", "float16", "float32"
WAYS = {
    "int8 with bfloat16": Way(_INT8, ov.Type.bf16),
    "int8 with float32": Way(_INT8, ov.Type.f32),
    "bfloat16": Way(_FLOAT16, ov.Type.bf16),
    "float32": Way(_FLOAT32, ov.Type.f32),
}
"""By name, in order of expected speed. On a processor with int8 dot products but without bfloat16, which OpenVINO then
emulates, a picture of ViT-B/32 takes 56 ms with the first, 22 with the second and 44 with the last."""


def save(model: ov.Model, precision: str, folder: Path) -> None:
    """Save `model`, in float32, to `folder` with the weights of `precision`."""
    model, weights = model.clone(), WAYS[precision].weights
    if weights == _INT8:
        quantise(model)
    ov.save_model(model, folder / "model.xml", compress_to_fp16=weights == _FLOAT16)


class _Compiled:
    """A compiled model, used by one thread at a time: two encodings at once on the same cores would be no faster."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """Open it; an encoding takes `threads`, by default as suits this process."""
        self.about = About.read(folder)
        self._model = _compiled(folder / "model.xml", WAYS[self.about.precision], threads or hardware.threads())
        self._turn = BoundedLock()
        self._request: tuple[int, ov.InferRequest] | None = None

    @property
    def backend(self) -> str:
        return f"openvino {self.about.precision}"

    @property
    def dimensions(self) -> int:
        return self.about.dimensions

    def _computed(self, inputs: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        with self._turn.taken():
            # A forked process needs a request of its own.
            if self._request is None or self._request[0] != os.getpid():
                self._request = os.getpid(), self._model.create_infer_request()
            result: npt.NDArray[np.float32] = self._request[1].infer(inputs)[self._model.output(0)].copy()
            return result

    def _trial(self) -> Vectors:
        """Return the vector of a fixed input, shape (1, dimensions)."""
        raise NotImplementedError

    def write_trial(self, folder: Path) -> None:
        np.save(folder / "trial.npy", self._trial())

    def read_trial(self, folder: Path) -> None:
        """Encode the fixed input, which also makes the allocations of the first use. Raises WrongVectors for a model
        damaged since it was compiled."""
        found = float((np.load(folder / "trial.npy") * self._trial()).sum())
        if not found >= LEAST_TRIAL:
            raise WrongVectors(f"The vectors differ from those when the model was compiled (cosine {found:.3f}).")


class CompiledPictures(_Compiled):
    """Pictures -> vectors."""

    def _trial(self) -> Vectors:
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

    def _trial(self) -> Vectors:
        return self.encode_texts(["two red stars on the beach"])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        # One by one: in a padded batch each would take as long as the longest.
        rows = [np.zeros((0, self.dimensions), dtype=np.float32), *(self._encoded(text) for text in texts)]
        return unit_vectors(np.concatenate(rows), count=len(texts), dimensions=self.dimensions)

    def _encoded(self, text: str) -> npt.NDArray[np.float32]:
        tokens = self._tokenizer.encode(text)
        given = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask}
        return self._computed({name: np.array([given[name]], dtype=np.int64) for name in self._names})


@cache
def core() -> ov.Core:
    """Return the OpenVINO core, which lives as long as the process.

    It sets an alternate signal stack for the thread that creates it, and frees that stack with itself: freed in
    another thread, the next Ctrl-C would have none.
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
