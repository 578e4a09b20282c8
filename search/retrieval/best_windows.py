"""Search wide and tall pictures by several vectors: a search returns each picture once, with its nearest vector."""

from collections.abc import Collection

from django.db.models import Case, Expression, FloatField, Min, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Least
from pgvector.django import CosineDistance

from search.imaging.wide_picture_windows import is_wide
from search.models import Image, ImageVector
from search.models.querysets import WIDE_OR_TALL
from search.models.vector_values import Vector

MOST_VECTORS = 9
"""Maximum number of vectors per picture: the whole and its windows."""


def distance_to(vector: Vector | Expression, windows_in: int | None) -> Expression:
    """Return the distance of a row `with_vectors` to `vector`: of the whole picture, or with `windows_in`, a vector
    set, the least of the whole and its windows."""
    whole = CosineDistance("vector", vector)
    if windows_in is None:
        return whole
    windows = _nearest(ImageVector.objects.filter(set_id=windows_in, window_index__gt=0), vector)
    # Restricted to wide and tall pictures: a subquery for each row would double the cost.
    return Least(whole, Case(When(WIDE_OR_TALL, then=windows)), output_field=FloatField())


def distance_from_elsewhere(vector: Expression, set_id: int, *, windows: bool) -> Subquery:
    """Return the same for rows that an index scan may find by any of their vectors."""
    vectors = ImageVector.objects.filter(set_id=set_id)
    return _nearest(vectors if windows else vectors.filter(window_index=0), vector)


def _nearest(vectors: "QuerySet[ImageVector]", vector: Vector | Expression) -> Subquery:
    own = vectors.filter(image_id=OuterRef("pk")).order_by().values("set_id")
    nearest = own.annotate(nearest=Min(CosineDistance("embedding", vector))).values("nearest")
    return Subquery(nearest, output_field=FloatField())


def set_windows(images: Collection[Image], vector: Vector, windows_in: int | None) -> None:
    """Set on each image the index of its vector nearest to `vector`, 0 for the whole."""
    wide = [image.pk for image in images if is_wide(image.width, image.height)]
    if windows_in is None or not wide:
        return
    vectors = ImageVector.objects.filter(set_id=windows_in, image_id__in=wide)
    by_distance = vectors.order_by("image_id", CosineDistance("embedding", vector), "window_index")
    nearest = dict(by_distance.distinct("image_id").values_list("image_id", "window_index"))
    for image in images:
        image.window = nearest.get(image.pk, 0)
