"""The two encoders on sentence-transformers and torch. Imported only when a first vector is needed."""

import contextlib
import logging
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer

from search.demo.captions import LANGUAGES, example_queries
from search.demo.drawing import draw
from search.demo.scenes import random_scene
from search.embedding.protocol import Picture
from search.models.image import DIMENSIONS
from search.vectors import Vectors, WrongVectors, unit_vectors

logger = logging.getLogger(__name__)

AGREEMENT = 0.999
"""Least mean cosine between bfloat16 and float32 vectors for bfloat16 to be used."""
BATCH = 32

transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def open_model(name: str, *, local_files_only: bool) -> SentenceTransformer:
    """Open a sentence-transformers folder or hub id on the best device at hand. Raises whatever the loader meets."""
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return SentenceTransformer(name, device=device, local_files_only=local_files_only)


class _Encoder:
    """A SentenceTransformer behind a lock, with the precision that suits the processor and passed the check.

    The lock is there because fast tokenizers are not safe to share, and because two forward passes at once on the
    same cores are slower than one after the other.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model.eval()
        self._lock = threading.Lock()
        self.half = False

    @property
    def backend(self) -> str:
        return f"torch {'bfloat16' if self.half else 'float32'}"

    def _encode(self, inputs: Sequence[Any]) -> Vectors:
        if not inputs:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        with self._lock, self._precision():
            raw = self._model.encode(list(inputs), batch_size=BATCH, convert_to_numpy=True, show_progress_bar=False)
        return unit_vectors(raw, count=len(inputs), dimensions=DIMENSIONS)

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if not self.half:
            return contextlib.nullcontext()
        return torch.autocast(self._model.device.type, dtype=torch.bfloat16)

    def _use_bfloat16_if_it_agrees(self, samples: Sequence[Any]) -> None:
        """Take bfloat16 where the hardware has it and the vectors of `samples` stay what float32 makes of them."""
        if not _has_bfloat16(self._model.device.type):
            return
        full = self._encode(samples)
        self.half = True
        try:
            agreement = float((full * self._encode(samples)).sum(axis=1).mean())
        except WrongVectors:  # an overflow, say
            agreement = 0.0
        self.half = agreement >= AGREEMENT
        logger.info("bfloat16 agrees with float32 by %.5f: %s", agreement, "used" if self.half else "not used")


class SentencePictures(_Encoder):
    """Pictures -> vectors."""

    def __init__(self, model: SentenceTransformer) -> None:
        """Try the model. Raises WrongVectors, and whatever a model that can't see raises."""
        super().__init__(model)
        samples = _sample_pictures()
        self._encode(samples[:1])
        self._use_bfloat16_if_it_agrees(samples)

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        return self._encode(pictures)


class SentenceTexts(_Encoder):
    """Texts -> vectors."""

    def __init__(self, model: SentenceTransformer) -> None:
        """Try the model. Raises WrongVectors, and whatever a model that can't read raises."""
        super().__init__(model)
        self._encode(["a word"])
        # A query takes 20 ms instead of 35 on two cores that multiply bfloat16.
        self._use_bfloat16_if_it_agrees([text for language in LANGUAGES for text in example_queries(language)])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)


def _sample_pictures(count: int = 8) -> list[Picture]:
    """Drawn pictures, always the same, to compare precisions on."""
    return [draw(random_scene(random.Random(seed)), seed, long_side=320) for seed in range(count)]  # noqa: S311


def _has_bfloat16(device: str) -> bool:
    """Whether the processor multiplies bfloat16 in hardware; emulated, it is slower than float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
