"""The two encoders on sentence-transformers and torch. Imported only when nothing compiled does."""

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer

from search.embedding import hardware
from search.embedding.agreement import agreement
from search.embedding.protocol import Picture
from search.embedding.samples import drawing, sample_texts
from search.embedding.waiting import Turn
from search.models.image import DIMENSIONS
from search.vectors import Vectors, WrongVectors, unit_vectors

logger = logging.getLogger(__name__)

BATCH = 32
_DRAWINGS = 16
"""Pictures on which bfloat16 is compared with float32, at each start."""
_TEXTS = 64

transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def open_model(name: str, *, local_files_only: bool) -> SentenceTransformer:
    """Open a sentence-transformers folder or hub id on the best device at hand. Raises whatever the loader meets."""
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    torch.set_num_threads(hardware.threads())
    return SentenceTransformer(name, device=device, local_files_only=local_files_only)


class _Encoder:
    """A SentenceTransformer of which one thread at a time makes use, in the precision that suits the processor.

    One at a time, because fast tokenizers are not safe to share, and because two forward passes at once on the same
    cores are slower than one after the other.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model.eval()
        self._turn = Turn()
        self.half = False

    @property
    def backend(self) -> str:
        return f"torch {'bfloat16' if self.half else 'float32'}"

    def exactly(self, inputs: Sequence[Any]) -> Vectors:
        """Return the vectors of `inputs` in float32, by which others are judged."""
        return self._encode(inputs, half=False)

    def _encode(self, inputs: Sequence[Any], *, half: bool) -> Vectors:
        if not inputs:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        with self._turn.taken(), self._precision(half=half):
            raw = self.model.encode(list(inputs), batch_size=BATCH, convert_to_numpy=True, show_progress_bar=False)
        return unit_vectors(raw, count=len(inputs), dimensions=DIMENSIONS)

    def _precision(self, *, half: bool) -> contextlib.AbstractContextManager[Any]:
        if not half:
            return contextlib.nullcontext()
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16)

    def _use_bfloat16_if_it_agrees(self, samples: Sequence[Any]) -> None:
        """Take bfloat16 where the hardware has it and the vectors of `samples` stay what float32 makes of them."""
        if not _has_bfloat16(self.model.device.type):
            return
        try:
            found = agreement(self.exactly(samples), self._encode(samples, half=True))
        except WrongVectors as error:  # an overflow, say
            logger.info("bfloat16 is not used: %s", error)
            return
        self.half = found.is_enough
        logger.info("bfloat16 is %s: %s", "used" if self.half else "not used", found)


class SentencePictures(_Encoder):
    """Pictures -> vectors."""

    def __init__(self, model: SentenceTransformer) -> None:
        """Try the model. Raises WrongVectors, and whatever a model that can't see raises."""
        super().__init__(model)
        samples = [drawing(seed) for seed in range(_DRAWINGS)]
        self.exactly(samples[:1])
        self._use_bfloat16_if_it_agrees(samples)

    def fitted(self, picture: Picture) -> Picture:
        return picture

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        return self._encode(pictures, half=self.half)


class SentenceTexts(_Encoder):
    """Texts -> vectors."""

    def __init__(self, model: SentenceTransformer) -> None:
        """Try the model. Raises WrongVectors, and whatever a model that can't read raises."""
        super().__init__(model)
        self.exactly(["a word"])
        # A query takes 20 ms instead of 35 on two cores that multiply bfloat16.
        self._use_bfloat16_if_it_agrees(sample_texts(_TEXTS))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, half=self.half)


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and hardware.multiplies_bfloat16()
