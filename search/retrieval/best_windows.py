"""Wide and tall pictures have several vectors: a search finds each picture once, by the one that fits best."""

from collections.abc import Collection

from django.db.models import Case, Expression, FloatField, Min, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Least
from pgvector.django import CosineDistance

from search.imaging.windows import is_wide
from search.models import Image, ImageVector
from search.models.querysets import WIDE_OR_TALL
from search.models.vector_values import Vector

MOST_VECTORS = 9
"""Of one picture: that of the whole and those of its windows."""


def distance_to(vector: Vector | Expression, windows_in: int | None) -> Expression:
    """Return the distance of a row `with_vectors` to `vector`: of the whole picture, or with the windows in a set, of
    what is nearest."""
    whole = CosineDistance("vector", vector)
    if windows_in is None:
        return whole
    windows = _nearest(ImageVector.objects.filter(set_id=windows_in, window_index__gt=0), vector)
    # Looked for only where there may be any, or each row would cost twice as much.
    return Least(whole, Case(When(WIDE_OR_TALL, then=windows)), output_field=FloatField())


def distance_from_elsewhere(vector: Expression, set_id: int, *, windows: bool) -> Subquery:
    """Return the same for rows that are found by any of their vectors."""
    vectors = ImageVector.objects.filter(set_id=set_id)
    return _nearest(vectors if windows else vectors.filter(window_index=0), vector)


def _nearest(vectors: "QuerySet[ImageVector]", vector: Vector | Expression) -> Subquery:
    own = vectors.filter(image_id=OuterRef("pk")).order_by().values("set_id")
    nearest = own.annotate(nearest=Min(CosineDistance("embedding", vector))).values("nearest")
    return Subquery(nearest, output_field=FloatField())


def tell_windows(images: Collection[Image], vector: Vector, windows_in: int | None) -> None:
    """Set of each image, by which of its windows it is nearest to `vector`."""
    wide = [image.pk for image in images if is_wide(image.width, image.height)]
    if windows_in is None or not wide:
        return
    vectors = ImageVector.objects.filter(set_id=windows_in, image_id__in=wide)
    by_distance = vectors.order_by("image_id", CosineDistance("embedding", vector), "window_index")
    nearest = dict(by_distance.distinct("image_id").values_list("image_id", "window_index"))
    for image in images:
        image.window = nearest.get(image.pk, 0)
