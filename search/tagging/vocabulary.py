"""The tags that are known, and the vectors of their phrases."""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from search.embedding import active_model, text_encoder, text_model, text_models
from search.embedding.dimension_checks import require_fit
from search.models import TagVector, VocabularyTag
from search.models.conflicts import retried
from search.models.tagging import lock_vocabulary, names_taken
from search.models.vector_values import Vectors, WrongVectors
from search.tagging.tables import starting_rows

logger = logging.getLogger(__name__)

MEASURED = ("calibrated", "strong", "related", "spread", "threshold", "reached")
"""What is known of a vector once pictures were compared with it."""
BATCH = 32
"""Phrases that are encoded together; between two batches the searches of people get their turn."""


@dataclass(frozen=True)
class PhraseVectors:
    """Tags that have a phrase, each with the vector of that: float32 unit vectors, shape (count, dimensions)."""

    tags: Sequence[VocabularyTag]
    vectors: Vectors

    @property
    def english(self) -> list[str]:
        return [tag.called("en") for tag in self.tags]

    @property
    def korean(self) -> list[str]:
        return [tag.called("ko") for tag in self.tags]


def vectors() -> PhraseVectors:
    """Return all tags with a phrase, in the order of their keys, with the vectors that the active models give for
    these. They are kept; what is new, or has another phrase or models than before, is encoded now.

    Raises ModelUnavailable where something must be encoded and can't be.
    """
    encode_missing()
    kept = list(kept_vectors())
    return PhraseVectors([row.tag for row in kept], as_matrix(kept))


def as_matrix(kept: Sequence[TagVector]) -> Vectors:
    """Return their vectors, float32, shape (count, dimensions)."""
    found = np.array([row.embedding for row in kept], dtype=np.float32).reshape(len(kept), -1 if kept else 0)
    # Kept as halves, which are rounded.
    unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def kept_vectors() -> "Sequence[TagVector]":
    """Return the vectors of the active models that fit the phrases of today, each with its tag; nothing is encoded."""
    rows = TagVector.objects.filter(model=active_model(), text_model=text_model(), phrase=F("tag__phrase"))
    return list(rows.exclude(phrase="").select_related("tag").order_by("tag_id"))


def lacking_vectors() -> list[VocabularyTag]:
    """Return the tags whose phrase nobody has encoded with the active models."""
    made = TagVector.objects.filter(model=active_model(), text_model=text_model(), phrase=F("tag__phrase"))
    return list(VocabularyTag.objects.exclude(phrase="").exclude(pk__in=made.values("tag")).order_by("pk"))


def encode_missing() -> int:
    """Encode the phrases that have no vector; return how many. Raises ModelUnavailable."""
    lacking = lacking_vectors()
    if lacking:
        require_fit()
    for start in range(0, len(lacking), BATCH):
        some, made = _encoded(lacking[start : start + BATCH])
        rows = [
            TagVector(
                tag=tag, model=active_model(), text_model=text_model(), phrase=tag.phrase, embedding=vector.tolist()
            )
            for tag, vector in zip(some, made, strict=True)
        ]
        retried(lambda rows=rows: _keep(rows))  # type: ignore[misc]
    if lacking:
        # Of other models only those that somebody may still, or soon, answer with.
        TagVector.objects.exclude(text_model__in=text_models()).delete()
    return len(lacking)


def _encoded(tags: Sequence[VocabularyTag]) -> tuple[Sequence[VocabularyTag], Vectors]:
    """Return the tags whose phrase the model has a vector for, with these. Raises ModelUnavailable."""
    encoder = text_encoder()
    try:
        return tags, encoder.encode_texts([tag.phrase for tag in tags])
    except WrongVectors as error:
        if len(tags) == 1:
            logger.warning("No vector for the phrase of the tag “%s”: %s", tags[0], error)
            return [], np.zeros((0, 1), dtype=np.float32)
    # One of them is to blame: the others are suggested all the same.
    each = [_encoded([tag]) for tag in tags]
    known = [(own[0], found[0]) for own, found in each if own]
    return [tag for tag, _vector in known], np.array([vector for _tag, vector in known], dtype=np.float32)


def _keep(rows: Sequence[TagVector]) -> None:
    """With all that is known of it, which was known of another phrase."""
    known = {tag.pk for tag in VocabularyTag.objects.filter(pk__in=[row.tag_id for row in rows])}
    TagVector.objects.bulk_create(
        [row for row in rows if row.tag_id in known],
        update_conflicts=True,
        unique_fields=["tag", "model", "text_model"],
        update_fields=["phrase", "embedding", "compared", *MEASURED],
    )


def load_if_empty() -> int:
    """Load the starting vocabulary where there is none at all; return how many tags there are more."""
    return 0 if VocabularyTag.objects.exists() else load_starting()


@transaction.atomic
def load_starting() -> int:
    """Add the tags of the starting vocabulary none of whose names is known yet; return how many.

    Pictures get nothing by that. A tag is called as most pictures spell it, in either language, and where none has it,
    as the language of the site has it.
    """
    lock_vocabulary()
    taken = set(names_taken())
    rows = starting_rows()
    used = _in_use({name for row in rows for name in (row["english"], row["korean"])})
    made: dict[str, VocabularyTag] = {}
    for row in rows:
        if {row["english"].casefold(), row["korean"].casefold()} & taken:
            continue
        aliases = [alias for alias in row["aliases"] if alias.casefold() not in taken]
        name = _spelt(row["english"], row["korean"], used)
        made[row["english"]] = VocabularyTag(
            name=name, english=row["english"], korean=row["korean"], phrase=row["phrase"], aliases=aliases
        )
    VocabularyTag.objects.bulk_create(made.values())
    parents = {tag.english: tag for tag in VocabularyTag.objects.exclude(english="").order_by("-pk")}
    for row in rows:
        if (tag := made.get(row["english"])) and row["parent"]:
            tag.parent = parents.get(row["parent"])
    VocabularyTag.objects.bulk_update([tag for tag in made.values() if tag.parent], ["parent"])
    return len(made)


def _in_use(names: Collection[str]) -> Counter[str]:
    """Return how often pictures have tags that are called so, in any case, by how they spell them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tag, count(*) FROM search_image, unnest(tags) AS tag WHERE lower(tag) = ANY(%s) GROUP BY tag",
            [[name.lower() for name in names]],
        )
        return Counter(dict(cursor.fetchall()))


def _spelt(english: str, korean: str, used: Counter[str]) -> str:
    in_use = [tag for tag in used if tag.casefold() in {english.casefold(), korean.casefold()}]
    if in_use:
        return max(in_use, key=lambda tag: (used[tag], tag))
    return korean if settings.LANGUAGE_CODE.startswith("ko") else english
