"""Encoders on sentence-transformers and torch. Imported only if no compiled model is used."""

import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer

from search.embedding import common_space_checks, hardware
from search.embedding.acceptance_samples import drawing, sample_texts
from search.embedding.acceptance_test import agreement
from search.embedding.backend_timing import least_seconds
from search.embedding.load_shedding import BoundedLock
from search.embedding.model_modules import ImageTower, UnknownModel, image_tower
from search.embedding.pixels import Window, stacked
from search.embedding.protocol import Picture
from search.embedding.tokenizer_checks import require_tokenizer
from search.models.vector_values import Vectors, WrongVectors, unit_vectors

logger = logging.getLogger(__name__)

BATCH = 32
_DRAWINGS = 16
"""Pictures on which faster methods are compared with the library's float32, at each start."""
_TEXTS = 64

transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def open_model(name: str, *, local_files_only: bool) -> SentenceTransformer:
    """Open a sentence-transformers folder or hub id on the best available device. Raises whatever the loader
    raises."""
    # The second lists layers that are not distributed over several processors: none is.
    for name_of_logger in ("sentence_transformers", "transformers.distributed.tensor_parallel"):
        logging.getLogger(name_of_logger).setLevel(logging.ERROR)
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    torch.set_num_threads(hardware.threads())
    with common_space_checks.all_weights_required():
        model = SentenceTransformer(name, device=device, local_files_only=local_files_only)
    require_tokenizer(model, name)
    _bound_texts(model)
    return model


def _bound_texts(model: SentenceTransformer) -> None:
    """Limit texts to the model's positions, where its tokenizer has no limit, and pad them as in training.

    SigLIP reads the vector of a text at its last position: padded to the longest of a batch, as sentence-transformers
    does, a text would have another vector beside longer ones. The tokenizer's mask is kept, if it returns one: vectors
    differ with and without it.
    """
    first = model[0]
    if not isinstance(first, Transformer) or first.tokenizer is None:
        return
    positions = getattr(first.config.get_text_config(), "max_position_embeddings", None)
    if positions and (first.max_seq_length or math.inf) > positions:
        first.max_seq_length = positions
    if first.config.model_type.startswith("siglip"):
        first.processing_kwargs = {"text": {"padding": "max_length", "max_length": positions}}


def padded_length(model: SentenceTransformer) -> int:
    """Return the length to which each text is padded; 0 if it depends on the batch, and doesn't matter."""
    options = getattr(model[0], "processing_kwargs", {}).get("text", {})
    return int(options.get("max_length") or 0) if options.get("padding") == "max_length" else 0


def as_words(model: SentenceTransformer, text: str) -> Any:
    """Return `text` as an input that the library takes for text, whatever it contains. All texts must pass through
    here.

    A model with an image tower would open the file that a plain string names, fetch the picture at its URL, and decode
    what begins with "data:image/".
    """
    # Modules other than Transformer, such as StaticEmbedding, take only strings, and a text-only model takes them as
    # text.
    if not isinstance(model[0], Transformer) and getattr(model, "modalities", None) == ["text"]:
        return text
    return {"text": text}


class _Encoder:
    """A SentenceTransformer used by one thread at a time, in the best precision for the processor.

    One at a time because fast tokenizers are not thread-safe, and because two forward passes at once on the same cores
    are slower than one after the other.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model.eval()
        self._turn = BoundedLock()
        self.half = False
        self.dimensions = 0
        """Determined by a trial in the subclasses' constructors."""

    @property
    def backend(self) -> str:
        return f"torch {'bfloat16' if self.half else 'float32'}"

    def exactly(self, inputs: Sequence[Any]) -> Vectors:
        """Return the vectors of sentence-transformers in float32, the reference for other methods."""
        return self._by_the_library(inputs, half=False)

    def _encoded(self, inputs: Sequence[Any], *, half: bool) -> Vectors:
        """Return the vectors of `inputs` by the fastest method; subclasses may have one."""
        return self._by_the_library(inputs, half=half)

    def _by_the_library(self, inputs: Sequence[Any], *, half: bool) -> Vectors:
        if not inputs:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        with self._turn.taken(), self._precision(half=half):
            raw = self.model.encode(list(inputs), batch_size=BATCH, convert_to_numpy=True, show_progress_bar=False)
        return unit_vectors(raw, count=len(inputs), dimensions=self.dimensions or None)

    def _precision(self, *, half: bool) -> contextlib.AbstractContextManager[Any]:
        if not half:
            return contextlib.nullcontext()
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16)

    def _use_bfloat16_if_it_agrees(self, samples: Sequence[Any], exact: Vectors) -> None:
        """Use bfloat16 if it is faster, and the vectors of `samples` agree with the `exact` ones of float32."""
        self.half = (
            _has_bfloat16(self.model.device.type)
            and self._is_faster(samples[:1])
            and self._agrees("bfloat16", samples, exact, half=True)
        )

    def _is_faster(self, inputs: Sequence[Any]) -> bool:
        """Whether bfloat16 is faster for these: support in hardware may be disabled, or emulated."""
        ways = {name: partial(self._encoded, inputs, half=name == "bfloat16") for name in ("float32", "bfloat16")}
        try:
            seconds = least_seconds(ways, budget=0)
        except (WrongVectors, RuntimeError) as error:
            logger.info("bfloat16 is not used: %s", error)
            return False
        return seconds["bfloat16"] < seconds["float32"]

    def _agrees(self, way: str, samples: Sequence[Any], exact: Vectors, *, half: bool) -> bool:
        try:
            found = agreement(exact, self._encoded(samples, half=half))
        except (WrongVectors, RuntimeError) as error:  # such as an overflow, or an unsupported operation
            logger.info("%s is not used: %s", way, error)
            return False
        logger.info("%s is %s: %s", way, "used" if found.is_enough else "not used", found)
        return found.is_enough


def torch_ways(encoder: _Encoder) -> dict[str, Callable[[Sequence[Any]], Vectors]]:
    """Return the methods by which torch can encode here, by name."""
    ways: dict[str, Callable[[Sequence[Any]], Vectors]] = {"torch float32": partial(encoder._encoded, half=False)}
    if _has_bfloat16(encoder.model.device.type):
        ways["torch bfloat16"] = partial(encoder._encoded, half=True)
    return ways


class SentencePictures(_Encoder):
    """Pictures -> vectors.

    For most models pictures are cropped by the threads that decode them, and go to the device as bytes. The library
    would preprocess them in the one thread that encodes, and leave a GPU idle most of the time.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        """Try the model. Raises WrongVectors, and whatever a model without an image tower raises."""
        super().__init__(model)
        samples = [drawing(seed) for seed in range(_DRAWINGS)]
        exact = self.exactly(samples)
        self.dimensions = exact.shape[1]
        self._direct: tuple[ImageTower, Window] | None = None
        try:
            self._direct = image_tower(self.model)
        except UnknownModel as reason:
            logger.info("sentence-transformers preprocesses the pictures: %s", reason)
        self._use_bfloat16_if_it_agrees(samples, exact)
        if self._direct and not self.half and not self._agrees("encoding cut pictures", samples, exact, half=False):
            self._direct = None
            self._use_bfloat16_if_it_agrees(samples, exact)

    @property
    def window(self) -> tuple[int, int, int] | None:
        return self._direct[1].sizes if self._direct else None

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        return self._encoded(pictures, half=self.half)

    def _encoded(self, inputs: Sequence[Picture], *, half: bool) -> Vectors:
        if not self._direct or not inputs:
            return super()._encoded(inputs, half=half)
        module, window = self._direct
        batches = []
        with self._turn.taken(), torch.inference_mode(), self._precision(half=half):
            # A GPU computes one batch while this thread stacks the next; only the vectors are waited for.
            for start in range(0, len(inputs), BATCH):
                pixels = stacked([window.cut(picture) for picture in inputs[start : start + BATCH]])
                batches.append(module(self._on_the_device(pixels)).float())
            raw = torch.cat(batches).cpu().numpy()
        return unit_vectors(raw, count=len(inputs), dimensions=self.dimensions or None)

    def _on_the_device(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        tensor = torch.from_numpy(pixels)
        if self.model.device.type == "cuda":  # asynchronous copies need pinned memory
            tensor = tensor.pin_memory()
        return tensor.to(self.model.device, non_blocking=True)


class SentenceTexts(_Encoder):
    """Texts -> vectors."""

    def __init__(self, model: SentenceTransformer) -> None:
        """Try the model. Raises WrongVectors, and whatever a model without a text tower raises."""
        super().__init__(model)
        self.dimensions = self.exactly(["a word"]).shape[1]
        # A query takes 20 ms instead of 35 on two cores with bfloat16.
        if _has_bfloat16(self.model.device.type):
            samples = sample_texts(_TEXTS)
            self._use_bfloat16_if_it_agrees(samples, self.exactly(samples))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._encoded(texts, half=self.half)

    def _by_the_library(self, inputs: Sequence[str], *, half: bool) -> Vectors:
        return super()._by_the_library([as_words(self.model, text) for text in inputs], half=half)


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and hardware.multiplies_bfloat16()
