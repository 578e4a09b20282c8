"""Checks that a text model belongs to the image model, if that has a text tower too. Imports torch."""

import numpy as np

from search.embedding.query_bank import queries
from search.embedding.torch_encoders import SentencePictures, SentenceTexts

LEAST_ALIKE = 0.05
"""Fraction of texts below which two models are unrelated. Pairs trained together reach at least 0.24 with the query
bank, others 0.00: chance level is one of 159."""


def share_alike(pictures: SentencePictures, texts: SentenceTexts) -> float | None:
    """Return the fraction of English texts for which both text towers agree: the vector is nearer to the other tower's
    for the same text than to those for all others. None if the image model has no text tower."""
    if "text" not in getattr(pictures.model, "modalities", []):
        return None
    bank = list(dict.fromkeys(queries()["en"]))
    # Centred: text vectors of any model share a direction.
    one, other = (
        found - found.mean(axis=0) for found in (texts.exactly(bank), SentenceTexts(pictures.model).exactly(bank))
    )
    return float(((one @ other.T).argmax(axis=1) == np.arange(len(bank))).mean())
