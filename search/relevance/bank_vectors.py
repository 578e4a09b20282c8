"""Text vectors of the query bank."""

from functools import lru_cache

import numpy as np

from search.embedding import text_encoder, text_model
from search.embedding.query_bank import queries
from search.models.vector_values import Vectors

BATCH = 32
"""Texts encoded together; between two batches user searches get their turn."""


def bank_vectors() -> Vectors:
    """Return the unit vectors of all queries in the bank, encoded once per process. Raises ModelUnavailable."""
    return _encoded(text_model())


@lru_cache(maxsize=1)
def _encoded(_model: str) -> Vectors:
    texts = [text for own in queries().values() for text in own]
    encoder = text_encoder()
    batches = [encoder.encode_texts(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    return np.concatenate(batches)
