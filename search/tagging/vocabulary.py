"""The vocabulary's tags, and the vectors of their phrases."""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import F

from search.embedding import active_model, text_encoder, text_model, text_models
from search.embedding.dimension_checks import require_fit
from search.models import TagVector, VocabularyTag
from search.models.conflicts import retried
from search.models.sql_statements import fetch_all
from search.models.tagging import lock_vocabulary, names_taken
from search.models.vector_values import Vectors, WrongVectors
from search.tagging.vocabulary_tables import starting_rows

logger = logging.getLogger(__name__)

MEASURED = ("calibrated", "strong", "related", "spread", "threshold", "reached")
"""Columns of a phrase vector that are set once pictures were compared with it."""
BATCH = 32
"""Phrases encoded together; between two batches user searches get their turn."""


@dataclass(frozen=True)
class PhraseVectors:
    """Tags with a phrase, and the phrases' vectors: float32 unit vectors, shape (count, dimensions)."""

    tags: Sequence[VocabularyTag]
    vectors: Vectors

    @property
    def english(self) -> list[str]:
        return [tag.called("en") for tag in self.tags]

    @property
    def korean(self) -> list[str]:
        return [tag.called("ko") for tag in self.tags]


def vectors() -> PhraseVectors:
    """Return all tags with a phrase, ordered by pk, with their vectors by the active models. Missing and outdated ones
    are encoded and stored.

    Raises ModelUnavailable if something must be encoded and can't be.
    """
    encode_missing()
    kept = list(kept_vectors())
    return PhraseVectors([row.tag for row in kept], as_matrix(kept))


def as_matrix(kept: Sequence[TagVector]) -> Vectors:
    """Return their unit vectors, float32, shape (count, dimensions)."""
    found = np.array([row.embedding for row in kept], dtype=np.float32).reshape(len(kept), -1 if kept else 0)
    # Stored in half precision: normalise again.
    unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def kept_vectors() -> "Sequence[TagVector]":
    """Return the stored vectors of the active models for the present phrases, with their tags; encodes nothing."""
    rows = TagVector.objects.filter(model=active_model(), text_model=text_model(), phrase=F("tag__phrase"))
    return list(rows.exclude(phrase="").select_related("tag").order_by("tag_id"))


def lacking_vectors() -> list[VocabularyTag]:
    """Return the tags whose phrases have no vector of the active models."""
    made = TagVector.objects.filter(model=active_model(), text_model=text_model(), phrase=F("tag__phrase"))
    return list(VocabularyTag.objects.exclude(phrase="").exclude(pk__in=made.values("tag")).order_by("pk"))


def encode_missing() -> int:
    """Encode phrases without a vector; return how many. Raises ModelUnavailable."""
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
        # Keep vectors of text models that are in use or about to be.
        TagVector.objects.exclude(text_model__in=text_models()).delete()
    return len(lacking)


def _encoded(tags: Sequence[VocabularyTag]) -> tuple[Sequence[VocabularyTag], Vectors]:
    """Return the tags whose phrases could be encoded, with the vectors. Raises ModelUnavailable."""
    encoder = text_encoder()
    try:
        return tags, encoder.encode_texts([tag.phrase for tag in tags])
    except WrongVectors as error:
        if len(tags) == 1:
            logger.warning("No vector for the phrase of the tag “%s”: %s", tags[0], error)
            return [], np.zeros((0, 1), dtype=np.float32)
    # One of them is the cause: encode each alone.
    each = [_encoded([tag]) for tag in tags]
    known = [(own[0], found[0]) for own, found in each if own]
    return [tag for tag, _vector in known], np.array([vector for _tag, vector in known], dtype=np.float32)


def _keep(rows: Sequence[TagVector]) -> None:
    """Insert or replace vectors, resetting what was known with an earlier phrase."""
    known = {tag.pk for tag in VocabularyTag.objects.filter(pk__in=[row.tag_id for row in rows])}
    TagVector.objects.bulk_create(
        [row for row in rows if row.tag_id in known],
        update_conflicts=True,
        unique_fields=["tag", "model", "text_model"],
        update_fields=["phrase", "embedding", "compared", *MEASURED],
    )


def load_if_empty() -> int:
    """Load the starting vocabulary if there are no tags at all; return how many were added."""
    return 0 if VocabularyTag.objects.exists() else load_starting()


@transaction.atomic
def load_starting() -> int:
    """Add the tags of the starting vocabulary none of whose names is known; return how many.

    Pictures are not changed. A tag's name is the spelling that most pictures use, in either language; if none does,
    that of the site's language.
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
        name = _spelling(row["english"], row["korean"], used)
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
    """Return how often pictures have these tags, ignoring case, by spelling."""
    rows = fetch_all(
        "SELECT tag, count(*) FROM search_image, unnest(tags) AS tag WHERE lower(tag) = ANY(%s) GROUP BY tag",
        [[name.lower() for name in names]],
    )
    return Counter(dict(rows))


def _spelling(english: str, korean: str, used: Counter[str]) -> str:
    in_use = [tag for tag in used if tag.casefold() in {english.casefold(), korean.casefold()}]
    if in_use:
        return max(in_use, key=lambda tag: (used[tag], tag))
    return korean if settings.LANGUAGE_CODE.startswith("ko") else english
