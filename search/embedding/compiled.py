"""Encoders on OpenVINO, compiled from the downloaded models: no torch in the process, and a fraction of the time.

A compiled model is a folder of `model.xml`, `model.bin` and `about.json`, and for words `tokenizer.json`. Processes
map the weights from the file; those forked from one that has the model loaded share all of it.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import properties
from openvino.properties import hint
from tokenizers import Tokenizer

from search.embedding import hardware
from search.embedding.pixels import Window, stacked
from search.embedding.protocol import Picture
from search.embedding.quantising import GROUP
from search.embedding.waiting import Turn
from search.models.image import DIMENSIONS
from search.vectors import Vectors, unit_vectors

BATCH = 16
"""Pictures that are encoded together: more of them are no faster."""
INT8, BFLOAT16, FLOAT32 = "int8", "bfloat16", "float32"
_HINTS = {INT8: ov.Type.bf16, BFLOAT16: ov.Type.bf16, FLOAT32: ov.Type.f32}


@dataclass(frozen=True)
class About:
    """What a compiled model is: its precision, and how a picture is cut for it; None for words."""

    precision: str
    window: Window | None

    def write(self, folder: Path) -> None:
        (folder / "about.json").write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> "About":
        about = json.loads((folder / "about.json").read_text("utf-8"))
        return cls(about["precision"], Window(**about["window"]) if about["window"] else None)


class _Compiled:
    """One compiled model. One thread at a time makes use of it: two at once on the same cores would be no faster."""

    def __init__(self, folder: Path) -> None:
        self.about = About.read(folder)
        self._model = _compiled(folder / "model.xml", self.about.precision)
        self._turn = Turn()
        self._request: tuple[int, ov.InferRequest] | None = None

    @property
    def backend(self) -> str:
        return f"openvino {self.about.precision}"

    def _computed(self, inputs: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        with self._turn.taken():
            # A process that was forked makes a request of its own.
            if self._request is None or self._request[0] != os.getpid():
                self._request = os.getpid(), self._model.create_infer_request()
            result: npt.NDArray[np.float32] = self._request[1].infer(inputs)[self._model.output(0)].copy()
            return result


class CompiledPictures(_Compiled):
    """Pictures -> vectors."""

    def fitted(self, picture: Picture) -> Picture:
        assert self.about.window
        return self.about.window.cut(picture)

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        batches = [np.zeros((0, DIMENSIONS), dtype=np.float32)]
        for start in range(0, len(pictures), BATCH):
            pixels = stacked([self.fitted(picture) for picture in pictures[start : start + BATCH]])
            batches.append(self._computed({"pixels": pixels}))
        return unit_vectors(np.concatenate(batches), count=len(pictures), dimensions=DIMENSIONS)


class CompiledTexts(_Compiled):
    """Texts -> vectors."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        # One by one: padded to the longest, all would take as long as that one.
        rows = [np.zeros((0, DIMENSIONS), dtype=np.float32), *(self._encoded(text) for text in texts)]
        return unit_vectors(np.concatenate(rows), count=len(texts), dimensions=DIMENSIONS)

    def _encoded(self, text: str) -> npt.NDArray[np.float32]:
        tokens = self._tokenizer.encode(text)
        ids, mask = (np.array([part], dtype=np.int64) for part in (tokens.ids, tokens.attention_mask))
        return self._computed({"input_ids": ids, "attention_mask": mask})


@cache
def core() -> ov.Core:
    """Return the one that the process keeps to its end.

    It gives the thread that makes it a stack for signals, and takes it away with itself: freed in another thread, it
    would leave the next Ctrl-C without one.
    """
    return ov.Core()


def _compiled(model: Path, precision: str) -> ov.CompiledModel:
    return core().compile_model(
        str(model),
        "CPU",
        {
            hint.performance_mode(): hint.PerformanceMode.LATENCY,
            hint.inference_precision(): _HINTS[precision],
            hint.dynamic_quantization_group_size(): GROUP if precision == INT8 else 0,
            properties.num_streams(): 1,
            properties.inference_num_threads(): hardware.threads(),
        },
    )
