"""Encoders on OpenVINO, compiled from the downloaded models: no torch in the process, and a fraction of the time.

A compiled model is a folder of `model.xml`, `model.bin`, `about.json` and `trial.npy`, and for texts `tokenizer.json`.
Processes map the weights from the file; those forked from one that has loaded the model share all of it. OpenVINO's
own model cache is not used: it keeps serving old weights when only `model.bin` has changed.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
from tokenizers import Tokenizer

from search.embedding import hardware
from search.embedding.compiled_metadata import About
from search.embedding.load_shedding import BoundedLock
from search.embedding.openvino_runtime import hint, ov, properties
from search.embedding.pixels import stacked
from search.embedding.protocol import Picture
from search.embedding.quantization import quantise
from search.models.vector_values import Vectors, WrongVectors, unit_vectors

BATCH = 16
"""Most pictures of one inference: more at once are no faster."""
LEAST_TRIAL = 0.99
"""Minimum cosine of the vectors for the same input when a model was compiled and when it is opened."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is compiled: the storage of weights, and the data type between int8 multiplications, or of all
    computation if weights are not int8."""

    weights: str
    between: ov.Type


INT8, _FLOAT16, _FLOAT32 = "int8", "float16", "float32"
WAYS = {
    "int8 with bfloat16": Way(INT8, ov.Type.bf16),
    "int8 with float32": Way(INT8, ov.Type.f32),
    "bfloat16": Way(_FLOAT16, ov.Type.bf16),
    "float32": Way(_FLOAT32, ov.Type.f32),
}
"""By name, in order of expected speed. On a processor with int8 dot products but without bfloat16, which OpenVINO then
emulates, a picture of ViT-B/32 takes 56 ms with the first, 22 with the second and 44 with the last."""


def save(model: ov.Model, precision: str, folder: Path) -> None:
    """Save `model`, in float32, to `folder` with the weights of `precision`."""
    model, weights = model.clone(), WAYS[precision].weights
    if weights == INT8:
        quantise(model)
    ov.save_model(model, folder / "model.xml", compress_to_fp16=weights == _FLOAT16)


class _Compiled:
    """A compiled model, used by one thread at a time: two encodings at once on the same cores would be no faster."""

    def __init__(self, folder: Path, threads: int | None = None, *, in_streams: bool = False) -> None:
        """Open it; an encoding takes `threads`, by default as suits this process: all for one inference after the
        other, or `in_streams` one for each of as many inferences."""
        self.about = About.read(folder)
        threads = threads or hardware.threads()
        self._streams = threads if in_streams else 1
        self._model = _compiled(folder / "model.xml", self.about, threads, self._streams)
        self._turn = BoundedLock()
        self._process = os.getpid()
        self._requests: tuple[int, list[ov.InferRequest]] = 0, []

    @property
    def backend(self) -> str:
        return f"openvino {self.about.precision}"

    @property
    def dimensions(self) -> int:
        return self.about.dimensions

    def _computed(self, inputs: Iterable[dict[str, npt.NDArray[Any]]]) -> list[npt.NDArray[np.float32]]:
        """Return the outputs of the model for each of `inputs`, in the order given."""
        with self._turn.taken():
            requests = self._own_requests()
            if len(requests) == 1:
                return [requests[0].infer(one)[self._model.output(0)].copy() for one in inputs]
            return _concurrently(requests, inputs)

    def _own_requests(self) -> list[ov.InferRequest]:
        # A forked process needs requests of its own, and has none of the threads that streams run in.
        if self._requests[0] != os.getpid():
            count = self._streams if os.getpid() == self._process else 1
            self._requests = os.getpid(), [self._model.create_infer_request() for _ in range(count)]
        return self._requests[1]

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


def _concurrently(
    requests: Sequence[ov.InferRequest], inputs: Iterable[dict[str, npt.NDArray[Any]]]
) -> list[npt.NDArray[np.float32]]:
    """Return the outputs for `inputs`, in the order given, computed by all `requests` at once."""
    idle, busy = deque(requests), deque[ov.InferRequest]()
    outputs: list[npt.NDArray[np.float32]] = []

    def take() -> None:
        busy[0].wait()
        outputs.append(busy[0].get_output_tensor(0).data.copy())
        idle.append(busy.popleft())

    try:
        for one in inputs:
            if not idle:
                take()
            idle[0].start_async(one)
            busy.append(idle.popleft())
        while busy:
            take()
    finally:
        for request in busy:  # after an error: a busy request takes no other inputs
            request.wait()
    return outputs


class CompiledPictures(_Compiled):
    """Pictures -> vectors, in as many inferences at once as there are threads.

    The threads of a single inference wait for each other after each layer, all the more where other processes use the
    cores too: a picture takes 16.2 ms of processor time in streams of one thread, and 18.2 in one of two threads.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        super().__init__(folder, threads, in_streams=True)

    def _trial(self) -> Vectors:
        ramp = PIL.Image.linear_gradient("L")
        picture = PIL.Image.merge("RGB", [ramp, ramp.rotate(90), ramp.rotate(180)])
        return self.encode_pictures([picture])

    @property
    def window(self) -> tuple[int, int, int] | None:
        assert self.about.window
        return self.about.window.sizes

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        assert self.about.window
        window = self.about.window
        inputs = (
            {"pixels": stacked([window.cut(picture) for picture in part])} for part in _parts(pictures, self._streams)
        )
        batches = [np.zeros((0, self.dimensions), dtype=np.float32), *self._computed(inputs)]
        return unit_vectors(np.concatenate(batches), count=len(pictures), dimensions=self.dimensions)


def _parts(pictures: Sequence[Picture], streams: int) -> Iterator[Sequence[Picture]]:
    """Yield the pictures in parts of at most BATCH, nearly equal, and as many that no stream is left without one."""
    count = min(len(pictures), streams * -(-len(pictures) // (streams * BATCH)))
    for number in range(count):
        yield pictures[number * len(pictures) // count : (number + 1) * len(pictures) // count]


class CompiledTexts(_Compiled):
    """Texts -> vectors."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        # Read while OpenVINO compiles, without Python's lock.
        with ThreadPoolExecutor(1, thread_name_prefix="model-loading") as pool:
            tokenizer = pool.submit(Tokenizer.from_file, str(folder / "tokenizer.json"))
            super().__init__(folder, threads)
        self._tokenizer = tokenizer.result()
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
        return self._computed([{name: np.array([given[name]], dtype=np.int64) for name in self._names}])[0]


@cache
def core() -> ov.Core:
    """Return the OpenVINO core, which lives as long as the process.

    It sets an alternate signal stack for the thread that creates it, and frees that stack with itself: freed in
    another thread, the next Ctrl-C would have none.
    """
    return ov.Core()


def _compiled(model: Path, about: About, threads: int, streams: int) -> ov.CompiledModel:
    return core().compile_model(
        str(model),
        "CPU",
        {
            hint.performance_mode(): hint.PerformanceMode.LATENCY,
            hint.inference_precision(): WAYS[about.precision].between,
            hint.dynamic_quantization_group_size(): about.group,
            properties.num_streams(): streams,
            properties.inference_num_threads(): threads,
        },
    )
