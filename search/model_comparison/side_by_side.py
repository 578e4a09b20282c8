"""The results of two models for one query, side by side, and how far they agree."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from django.core.cache import cache
from django.utils.translation import gettext as _

from search.embedding import Pair, encoders_of
from search.indexing.exact_search import Near, nearest, vectors_of
from search.indexing.query_plan import CANDIDATES
from search.model_comparison.pairs import ComparedSet, require_dimensions
from search.models import Image
from search.models.querysets import ImageQuerySet
from search.models.vector_sets import VectorTable
from search.models.vector_values import Vector
from search.query import BadQuery, Kind, Part, SearchQuery, full_text
from search.retrieval.query_vector import Direction, QueryVector, images_in
from search.retrieval.ranking_and_bands import Candidate, ranked
from search.text.normalization import normalised_text

SHOWN = 24


@dataclass(frozen=True)
class Listed:
    """A picture in one list: its rank from 1, and its rank in the other list, None if not there."""

    image: Image
    similarity: float
    place: int
    other_place: int | None

    @property
    def rise(self) -> int | None:
        """By how many ranks it is higher than in the other list."""
        return None if self.other_place is None else self.other_place - self.place


@dataclass(frozen=True)
class SideBySide:
    """Two lists. `correlation` is Kendall's tau-b over all their pictures, -1 to 1; None for fewer than two."""

    first: list[Listed] = field(default_factory=list)
    second: list[Listed] = field(default_factory=list)
    correlation: float | None = None

    @property
    def overlap(self) -> int:
        """Number of pictures in both lists."""
        return sum(one.other_place is not None for one in self.first)

    @property
    def images(self) -> list[Image]:
        """The pictures of both lists, without duplicates."""
        return list({one.image.pk: one.image for one in (*self.first, *self.second)}.values())


def found_by(one: ComparedSet, query: SearchQuery) -> list[Near]:
    """Return the vector results of a query in a set, nearest first, with negative parts applied.

    Raises BadQuery, ModelUnavailable and WrongVectors.
    """
    if not query.wanted:
        raise BadQuery(_("Describe what the pictures should show."))
    assert one.pair
    towards = _weighted_sum([_vector(part, one) for part in query.wanted], query.wanted)
    among = _holding(query)
    unwanted = [_vector(part, one) for part in query.unwanted]
    found = nearest(one.table, towards, CANDIDATES if unwanted else SHOWN, among)
    if not unwanted:
        return found
    query_vector = QueryVector(
        Direction(towards, 1.0, None),
        tuple(Direction(vector, part.weight, None) for vector, part in zip(unwanted, query.unwanted, strict=True)),
    )
    # Ranked without a calibration, which may exist for the active model only.
    order = ranked(_candidates(one.table, found, unwanted), query_vector)
    near = dict(found)
    return [Near(candidate.id, near[candidate.id]) for candidate in order[:SHOWN]]


def side_by_side(
    first: ComparedSet, second: ComparedSet, lists: Sequence[Sequence[Near]], query: SearchQuery | None
) -> SideBySide:
    """Return two lists of `found_by` for display; `query` is needed for the correlation.

    Raises what `found_by` raises.
    """
    shown = Image.objects.shown().for_lists().in_bulk({one.id for found in lists for one in found})
    # Some may have been deleted meanwhile.
    kept = [[one for one in found if one.id in shown] for found in lists]
    places = [{one.id: place for place, one in enumerate(found, start=1)} for found in kept]
    listed = [
        [
            Listed(shown[one.id], one.similarity, place, places[1 - side].get(one.id))
            for place, one in enumerate(found, start=1)
        ]
        for side, found in enumerate(kept)
    ]
    correlation = _correlation((first, second), list(shown), query) if query else None
    return SideBySide(listed[0], listed[1], correlation)


def text_vector_of(pair: Pair, text: str) -> Vector:
    """Return the unit vector of a text by the pair's text model, cached for a while.

    Raises ModelUnavailable and WrongVectors.
    """
    encoders = encoders_of(*pair)
    named = f"{encoders.model}\n{encoders.text_model}\n{normalised_text(text)}"
    key = f"compared-text:{hashlib.sha256(named.encode()).hexdigest()}"
    if (remembered := cache.get(key)) is not None:
        return np.frombuffer(remembered, dtype=np.float32)
    vector: Vector = encoders.texts().encode_texts([normalised_text(text)])[0]
    cache.set(key, vector.tobytes())
    return vector


def _vector(part: Part, one: ComparedSet) -> Vector:
    assert one.pair
    if part.kind is Kind.WORDS:
        vector = text_vector_of(one.pair, str(part.value))
        require_dimensions(one.pair.text, len(vector), one.table.dimensions)
        return vector
    if part.kind is Kind.PICTURE:
        raise BadQuery(
            _("Models can be compared by text and by pictures of the collection, but not by other pictures.")
        )
    image_id = uuid.UUID(str(part.value))
    found = vectors_of(one.table, [image_id], whole=True)
    if image_id not in found or not Image.objects.shown().filter(pk=image_id).exists():
        raise BadQuery(_("This picture is hidden or deleted, or does not have vectors of both models yet."))
    its_own: Vector = found[image_id][0]
    return its_own


def _weighted_sum(vectors: Sequence[Vector], parts: Sequence[Part]) -> Vector:
    total = np.sum([part.weight * vector for vector, part in zip(vectors, parts, strict=True)], axis=0)
    length = float(np.linalg.norm(total))
    if length < 1e-2:  # half precision: opposite ones leave rounding errors
        raise BadQuery(_("The parts of this search cancel each other out."))
    unit: Vector = (total / length).astype(np.float32)
    return unit


def _holding(query: SearchQuery) -> ImageQuerySet | None:
    """Return the pictures that contain the quoted text; None for no restriction."""
    pointed_at = images_in(query)
    if not query.box.quoted and not pointed_at:
        return None
    images = Image.objects.shown().exclude(pk__in=pointed_at)
    for text in query.box.quoted:
        images = full_text.holding(images, full_text.phrase(text))
    return images


def _candidates(table: VectorTable, found: Sequence[Near], unwanted: Sequence[Vector]) -> list[Candidate]:
    vectors = vectors_of(table, [one.id for one in found])
    away = np.stack(unwanted, axis=1)
    return [
        Candidate(
            id=one.id,
            date=-place,  # ties keep their order
            similarity=one.similarity,
            unwanted=tuple(map(float, (vectors[one.id] @ away).max(axis=0))),
        )
        for place, one in enumerate(found)
        if one.id in vectors
    ]


def _correlation(sets: Sequence[ComparedSet], ids: Sequence[uuid.UUID], query: SearchQuery) -> float | None:
    """Return the rank correlation of the two models over the pictures of both lists."""
    scores = []
    for one in sets:
        towards = _weighted_sum([_vector(part, one) for part in query.wanted], query.wanted)
        vectors = vectors_of(one.table, ids)
        scores.append({image_id: float((own @ towards).max()) for image_id, own in vectors.items()})
    common = [image_id for image_id in ids if image_id in scores[0] and image_id in scores[1]]
    return kendall_tau_b(*(np.array([own[image_id] for image_id in common]) for own in scores))


def kendall_tau_b(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float | None:
    """Return Kendall's rank correlation with ties (Kendall, The treatment of ties in ranking problems, Biometrika 33,
    1945); None if one of the two has only ties."""
    if len(first) < 2:
        return None
    signs = [np.sign(np.subtract.outer(own, own)) for own in (first, second)]
    untied = np.sqrt(float(np.abs(signs[0]).sum()) * float(np.abs(signs[1]).sum()))
    return float((signs[0] * signs[1]).sum() / untied) if untied else None
