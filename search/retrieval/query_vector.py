"""Combine the parts of a query into one unit vector, plus negative vectors."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Expression
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from search.embedding import active_model, text_vector
from search.models import FormerId, Image
from search.models.querysets import ImageQuerySet
from search.models.vector_sets import VectorTable, current_set
from search.models.vector_values import Vector, as_text
from search.query.errors import BadQuery, NoSuchQuery
from search.query.filter_values import Either, Mine, Yes, visible
from search.query.query import SearchQuery
from search.query.query_parts import Kind, Part
from search.query.query_pictures import picture_vector
from search.relevance.band_thresholds import Scale, scale_of
from search.retrieval.best_windows import distance_to


@dataclass(frozen=True)
class Direction:
    """A unit vector, its weight, and what unrelated pictures score with it, if known.

    `windows_in` is the set whose windows of wide and tall pictures are searched too; None for whole pictures only.
    """

    vector: Vector
    weight: float
    scale: Scale | None
    windows_in: int | None = None

    @cached_property
    def as_text(self) -> str:
        """The vector in SQL syntax."""
        return as_text(self.vector)

    @cached_property
    def distance(self) -> Expression:
        """The cosine distance of a row `with_vectors`. Cached, since formatting the vector is slow."""
        return distance_to(self.vector, self.windows_in)


@dataclass(frozen=True, slots=True)
class QueryVector:
    """`towards` is None for a query without positive parts. Distances refer to the vectors in `table`."""

    towards: Direction | None
    away: tuple[Direction, ...]
    table: VectorTable | None = None

    @property
    def finds_windows(self) -> bool:
        """Whether a picture may be found by one of its windows."""
        return self.towards is not None and self.towards.windows_in is not None

    def measured(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return `images` joined with the vectors, if distances are needed."""
        return images.with_vectors(self.table) if self.towards or self.away else images


def query_vector_of(
    wanted: Sequence[Part], unwanted: Sequence[Part], *, hidden: Yes | Either | Mine | None = None
) -> QueryVector:
    """Return the vectors of a query's parts; positive ones are combined into one.

    With `hidden`, a part may also be an image that is visible under that filter.

    Raises NoSuchQuery for a missing picture or image, BadQuery for parts that cancel out, and ModelUnavailable.
    """
    # Load the models first: the identity of a partly downloaded model changes when it is complete.
    vectors: dict[Any, Vector] = {
        part.value: vector for part in (*wanted, *unwanted) if (vector := _encoded(part)) is not None
    }
    table = current_set(active_model())
    vectors |= _image_vectors([*wanted, *unwanted], table, hidden=hidden)
    windows_in = table.id if table and table.windows else None
    return QueryVector(
        towards=_weighted_sum([_direction(part, vectors, windows_in) for part in wanted], wanted),
        away=tuple(_direction(part, vectors, windows_in) for part in unwanted),
        table=table,
    )


def images_in(query: SearchQuery) -> list[uuid.UUID]:
    """Return the present ids of the images in a query: they are excluded from its results."""
    return list(_present(query.parts).values())


def _present(parts: Sequence[Part]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the present id of each image in `parts`: its file may have changed."""
    ids = [uuid.UUID(str(part.value)) for part in parts if part.kind is Kind.IMAGE]
    former = FormerId.present(ids)
    there = set(Image.objects.filter(pk__in=former).values_list("pk", flat=True)) if former else set()
    return {one: one if one in there else former.get(one, one) for one in ids}


def _weighted_sum(directions: Sequence[Direction], parts: Sequence[Part]) -> Direction | None:
    """Return the weighted sum, normalised to unit length.

    Pictures are nearer to pictures than texts are, and scores scatter more: simply added, a picture would outweigh the
    text. Each vector is divided by the spread of unrelated pictures' scores with it, so that at equal weights each
    part moves the ranking by the same number of its own spreads.
    """
    if len(directions) <= 1:
        return directions[0] if directions else None
    spreads = [one.scale.spread if one.scale else 1.0 for one in directions]
    if not all(one.scale for one in directions):
        spreads = [1.0] * len(directions)
    shares = np.array([one.weight / spread for one, spread in zip(directions, spreads, strict=True)])
    total = shares @ np.stack([one.vector for one in directions])
    length = float(np.linalg.norm(total))
    # Stored vectors have half precision: the sum of opposite ones is rounding error.
    if length < 1e-2 * shares.sum():
        raise BadQuery(_("The parts of this search cancel each other out."))
    vector: Vector = (total / length).astype(np.float32)
    pictures = sum(share for share, part in zip(shares, parts, strict=True) if part.kind is not Kind.WORDS)
    windows_in = next((one.windows_in for one in directions if one.windows_in is not None), None)
    whole = all(part.kind is Kind.IMAGE for part in parts)
    scale = scale_of(vector, pictures=float(pictures / shares.sum()), whole=whole)
    return Direction(vector, 1.0, scale, windows_in)


def _encoded(part: Part) -> Vector | None:
    """Return the vector of a text or an uploaded picture; None for an image, whose vector is stored."""
    if part.kind is Kind.WORDS:
        return text_vector(str(part.value))
    return picture_vector(uuid.UUID(str(part.value))) if part.kind is Kind.PICTURE else None


def _direction(part: Part, vectors: Mapping[Any, Vector], windows_in: int | None) -> Direction:
    """Images of the collection are compared as a whole; texts and uploaded pictures also match windows."""
    vector = vectors[part.value]
    whole = part.kind is Kind.IMAGE
    scale = scale_of(vector, pictures=float(part.kind is not Kind.WORDS), whole=whole)
    return Direction(vector, part.weight, scale, None if whole else windows_in)


def _image_vectors(
    parts: Sequence[Part], table: VectorTable | None, *, hidden: Yes | Either | Mine | None
) -> dict[uuid.UUID, Vector]:
    ids = _present(parts)
    if not ids:
        return {}
    # With a filter for hidden pictures only, a visible image can still be the query.
    images = visible(Image.objects.all(), Either() if isinstance(hidden, Yes) else hidden)
    images = images.with_vectors_of(active_model()).filter(pk__in=ids.values())
    vectors = images.vectors_in(table)
    found = {one: vectors[present] for one, present in ids.items() if present in vectors}
    if len(found) < len(ids):
        raise NoSuchQuery(
            _("You can't search by this picture: it was removed, is hidden, or does not have a vector yet.")
        )
    return found
