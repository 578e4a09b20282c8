"""Generic queries in several languages: what people look for in any collection, and what few collections hold."""

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings

from search.embedding import text_encoder
from search.vectors import Vectors

FILE = Path(__file__).with_name("bank.tsv")
BATCH = 32
"""Texts that are encoded together; between two batches the searches of people get their turn."""


def queries() -> dict[str, list[str]]:
    """Return the bank by language, every language in the same order."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {language: [row[language] for row in rows] for language in rows[0]}


def bank_vectors() -> Vectors:
    """Return the unit vectors of all queries of the bank, encoded once in a process. Raises ModelUnavailable."""
    return _encoded(settings.EMBEDDING_TEXT_MODEL)


@lru_cache(maxsize=1)
def _encoded(text_model: str) -> Vectors:
    texts = [text for own in queries().values() for text in own]
    encoder = text_encoder()
    batches = [encoder.encode_texts(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    return np.concatenate(batches)
