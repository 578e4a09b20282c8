"""Vectors of query texts, cached."""

import hashlib

import numpy as np
from django.core.cache import cache

from search.embedding.dimension_checks import require_fit
from search.embedding.errors import ModelUnavailable
from search.embedding.identity import active_model, active_pair, fingerprint_of
from search.embedding.loading import text_encoder
from search.models.vector_values import Vector, WrongVectors
from search.monitoring import event_counters
from search.text.normalization import normalised_text

MAX_TEXT_LENGTH = 1000


def text_vector(text: str) -> Vector:
    """Return the unit vector of `text`, shape (dimensions,). Cached: further pages of results need no encoding.

    Raises ModelUnavailable if the text model can't be loaded, or has no vector for these words.
    """
    text = normalised_text(text)
    key = _cache_key(text)
    remembered = cache.get(key)
    event_counters.looked_up("query vectors", found=remembered is not None)
    if remembered is not None:
        require_fit()
        return np.frombuffer(remembered, dtype=np.float32)
    try:
        encoder = text_encoder()
        require_fit()
        with event_counters.encoding("words"):
            vector: Vector = encoder.encode_texts([text])[0]
    except WrongVectors as error:  # such as a model without a vector for unknown words
        raise ModelUnavailable(f"{active_pair().text} has no vector for this text. {error}") from error
    cache.set(key, vector.tobytes())
    return vector


def is_remembered(text: str) -> bool:
    """Whether the vector of `text` is cached."""
    return cache.has_key(_cache_key(normalised_text(text)))


def _cache_key(text: str) -> str:
    # Including the tokenizer's files: truncation, padding and mask affect the vector too.
    named = f"{active_model()}\n{fingerprint_of(active_pair().text)}\n{text}"
    return f"text-vector:{hashlib.sha256(named.encode()).hexdigest()}"
