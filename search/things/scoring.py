"""How strong the collection is in some words: a first guess by their vectors, before any of them is searched for."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.embedding import active_model, text_encoder
from search.indexing.query_plan import plan_for, planned
from search.models import Image
from search.models.vector_sets import VectorTable, current_set
from search.models.vector_values import Vector, Vectors, WrongVectors
from search.relevance.bands import scale_of
from search.things.candidates import Words

BATCH = 32
"""Texts that are encoded together; between two batches the searches of people get their turn."""
NEAREST = 12
"""Pictures by which it is told how many strong matches there are."""
_FOR_MANY = 0.5
"""Spreads by which twice as many strong matches are better: no more, or words for everything would be the best."""
_FOR_A_WORD, _MOST_DESCRIBED = 0.5, 2
"""Spreads by which a further word is better, and how many count: it shows that a picture can be described."""
SAME_TO_THE_MODEL, MOST_ALIKE = 0.99, 3
"""Of so many other texts with a vector as near as that, the model knows none."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Words with their strong matches among the nearest; `score` is higher, the stronger and the more they are."""

    words: Words
    strong: frozenset[uuid.UUID]
    score: float


def scored(candidates: Sequence[Words]) -> list[Scored]:
    """Return those that have a strong match by what pictures show, best first, then the others that pictures bear.
    Nothing else is known while nothing is measured. Raises ModelUnavailable."""
    known, vectors = _encoded([one.text for one in candidates])
    understood = {
        text: vector
        for text, vector, is_known in zip(known, vectors, _understood(known, vectors), strict=True)
        if is_known
    }
    table = current_set(active_model())
    plan = plan_for(Image.objects.searchable(active_model()).count(), table)
    found = []
    with planned(plan):
        for words in candidates:
            vector = understood.get(words.text)
            one = None if vector is None else _scored(words, vector, table, by_index=not plan.is_exact)
            if one or words.borne:
                found.append(one or Scored(words, frozenset(), 0.0))
    return sorted(found, key=lambda one: -one.score)


def _scored(words: Words, vector: Vector, table: VectorTable | None, *, by_index: bool) -> Scored | None:
    """Return them with their score; None where no picture is a strong match by what it shows."""
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
    """Return the texts that the model has a vector for, with these: float32, shape (count, dimensions)."""
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
    each = [_encoded_together([text]) for text in texts]  # one of them is to blame
    return [text for own, _made in each for text in own], [vector for _own, made in each for vector in made]


def _understood(texts: Sequence[str], vectors: Vectors) -> list[bool]:
    """Tell which texts say something to the model: it gives the same vector for all that it knows no word of."""
    named = np.array([text.casefold() for text in texts])
    alike = (vectors @ vectors.T >= SAME_TO_THE_MODEL) & (named[:, None] != named)
    found: list[bool] = (alike.sum(axis=1) < MOST_ALIKE).tolist()
    return found
