"""Checks that the vectors of a pair of models, and the stored ones, have the same number of dimensions.

They report in plain words, before anything is stored, what the database would refuse too.
"""

from django.db import DatabaseError

from search.embedding.compiled_store import PICTURES, WORDS, compiled_dimensions
from search.embedding.errors import ModelUnavailable
from search.embedding.loading import Encoders, active_encoders
from search.models.vector_sets import current_set


def require_fit(encoders: Encoders | None = None) -> None:
    """Raise ModelUnavailable if the dimensions of these models, by default the active ones, don't match each other or
    the stored vectors.

    Queries the database now and then. Checks loaded models, and of the others only compiled ones.
    """
    found = _misfits(encoders or active_encoders())
    if found:
        raise ModelUnavailable(next(iter(found.values())))


def misfits() -> dict[str, str]:
    """Return, for the active model of PICTURES or WORDS, why its vectors can't be used; {} if both fit."""
    try:
        return _misfits(active_encoders())
    except DatabaseError:  # not migrated yet, or not reachable, which others report
        return {}


def require_stored(model: str, dimensions: int) -> None:
    """Raise ModelUnavailable if vectors of this name (`Image.embedding_model`) are stored with other dimensions."""
    if problem := _unlike_the_stored(model, model, dimensions):
        raise ModelUnavailable(problem)


def _misfits(encoders: Encoders) -> dict[str, str]:
    names = {PICTURES: encoders.image_name, WORDS: encoders.text_name}
    loaded = encoders.loaded
    has = {kind: one.dimensions if (one := loaded[kind]) else 0 for kind in names}
    if has[PICTURES] and (problem := _unlike_the_stored(names[PICTURES], encoders.model, has[PICTURES])):
        return {PICTURES: problem}
    if not any(has.values()):
        return {}
    stored = current_set(encoders.model)
    pictures = has[PICTURES] or (stored.dimensions if stored else compiled_dimensions(PICTURES, names[PICTURES]))
    words = has[WORDS] or compiled_dimensions(WORDS, names[WORDS])
    if not pictures or not words or pictures == words:
        return {}
    return {WORDS: unlike(names[WORDS], words, names[PICTURES], pictures)}


def _unlike_the_stored(name: str, model: str, dimensions: int) -> str:
    stored = current_set(model)
    if stored is None or stored.dimensions == dimensions:
        return ""
    return (
        f"{name} gives vectors of {dimensions:,} dimensions, and those that are stored by the name {model} have "
        f"{stored.dimensions:,}: the model has changed. Set EMBEDDING_IMAGE_MODEL to that one, or rename "
        "this one."
    )


def unlike(words_by: str, words: int, pictures_by: str, pictures: int) -> str:
    """Return the message for a pair of models whose vectors have different dimensions."""
    return (
        f"{words_by} gives vectors of {words:,} dimensions for texts, and the pictures' of {pictures_by} have "
        f"{pictures:,}: they don't share one space. Set EMBEDDING_TEXT_MODEL to the text model that belongs to "
        "the other."
    )
