"""Score candidate texts by their vectors, before any of them is searched."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.embedding import active_model, text_encoder
from search.example_searches.candidate_texts import Words
from search.indexing.query_plan import plan_for, planned
from search.models import Image
from search.models.vector_sets import VectorTable, current_set
from search.models.vector_values import Vector, Vectors, WrongVectors
from search.relevance.band_thresholds import scale_of
from search.relevance.threshold_derivation import understood

BATCH = 32
"""Texts encoded together; between two batches user searches get their turn."""
NEAREST = 12
"""Number of nearest pictures among which strong matches are counted."""
_FOR_MANY = 0.5
"""Bonus, in spreads, for twice as many strong matches: small, or texts that match everything would win."""
_FOR_A_WORD, _MOST_DESCRIBED = 0.5, 2
"""Bonus, in spreads, per further word, and the maximum number of words: longer texts show that pictures can be
described."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A text with its strong matches among the nearest; `score` rises with their strength and number."""

    words: Words
    strong: frozenset[uuid.UUID]
    score: float


def scored(candidates: Sequence[Words]) -> list[Scored]:
    """Return texts with a strong match by similarity, best first, then the others that come from pictures. Without a
    calibration there are only the latter. Raises ModelUnavailable."""
    known, vectors = _encoded([one.text for one in candidates])
    vector_of = {
        text: vector
        for text, vector, is_known in zip(known, vectors, understood(known, vectors), strict=True)
        if is_known
    }
    table = current_set(active_model())
    plan = plan_for(Image.objects.searchable(active_model()).count(), table)
    found = []
    with planned(plan):
        for words in candidates:
            vector = vector_of.get(words.text)
            one = None if vector is None else _scored(words, vector, table, by_index=not plan.is_exact)
            if one or words.borne:
                found.append(one or Scored(words, frozenset(), 0.0))
    return sorted(found, key=lambda one: -one.score)


def _scored(words: Words, vector: Vector, table: VectorTable | None, *, by_index: bool) -> Scored | None:
    """Return the text with its score; None without a strong match by similarity."""
    scale = scale_of(vector, pictures=0.0)
    if scale is None:
        return None
    rows = Image.objects.searchable(active_model()).nearest_to(vector, table, by_index=by_index).only("pk")
    near = {image.pk: image.similarity or 0.0 for image in rows[:NEAREST]}
    strong = frozenset(pk for pk, similarity in near.items() if similarity >= scale.strong)
    if not strong:
        return None
    margin = (max(near.values()) - scale.strong) / scale.spread
    described = min(len(words.text.split()) - 1, _MOST_DESCRIBED)
    return Scored(words, strong, margin + _FOR_MANY * float(np.log2(1 + len(strong))) + _FOR_A_WORD * described)


def _encoded(texts: Sequence[str]) -> tuple[list[str], Vectors]:
    """Return the texts that could be encoded, and their vectors: float32, shape (count, dimensions)."""
    known: list[str] = []
    vectors: list[Vector] = []
    for start in range(0, len(texts), BATCH):
        some, made = _encoded_together(list(texts[start : start + BATCH]))
        known += some
        vectors += made
    return known, np.array(vectors, dtype=np.float32).reshape(len(known), -1 if known else 0)


def _encoded_together(texts: list[str]) -> tuple[list[str], list[Vector]]:
    try:
        return texts, list(text_encoder().encode_texts(texts))
    except WrongVectors:
        if len(texts) == 1:
            return [], []
    each = [_encoded_together([text]) for text in texts]  # one of them is the cause
    return [text for own, _made in each for text in own], [vector for _own, made in each for vector in made]
