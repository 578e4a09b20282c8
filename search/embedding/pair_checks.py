"""Whether a model for words belongs to the one for pictures, as far as that reads too. Imports torch."""

import numpy as np

from search.embedding.query_bank import queries
from search.embedding.torch_encoders import SentencePictures, SentenceTexts

LEAST_ALIKE = 0.05
"""The share of texts below which two models have nothing in common. Pairs that were trained together reach 0.24 and
more with the bank, others 0.00: by chance it would be one of 159."""


def share_alike(pictures: SentencePictures, texts: SentenceTexts) -> float | None:
    """Return of how many English texts the model for words means the same as the words' tower beside the pictures'.

    That is, whose vector is nearer to the tower's of the same text than to those of all others. None where the model
    for pictures reads no words, and nothing can be told.
    """
    if "text" not in getattr(pictures.model, "modalities", []):
        return None
    bank = list(dict.fromkeys(queries()["en"]))
    # Each around its own centre: vectors of words lie in one direction, whichever model gives them.
    one, other = (
        found - found.mean(axis=0) for found in (texts.exactly(bank), SentenceTexts(pictures.model).exactly(bank))
    )
    return float(((one @ other.T).argmax(axis=1) == np.arange(len(bank))).mean())
