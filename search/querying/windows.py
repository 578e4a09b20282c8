"""Wide and tall pictures have several vectors: a search finds each picture once, by the one that fits best."""

from collections.abc import Collection

from django.db.models import Case, Expression, FloatField, Min, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Cast, Least
from pgvector.django import CosineDistance

from search.models import Image, ImageVector
from search.vectors import Vector

MOST_VECTORS = 9
"""Of one picture: that of the whole and those of its windows."""
LONGER_BY = 1.55
"""Of pictures whose sides differ by no more than this no windows are looked for. Some less than windows are made from:
there the picture may have had a pixel more."""


def distance_to(vector: Vector | Expression, windows_in: int | None) -> Expression:
    """Return the distance of a row `with_vectors` to `vector`: of the whole picture, or with the windows in a set, of
    what is nearest."""
    whole = CosineDistance("vector", vector)
    if windows_in is None:
        return whole
    windows = _nearest(ImageVector.objects.filter(set_id=windows_in, window_index__gt=0), vector)
    # Looked for only where there may be any, or each row would cost twice as much.
    width, height = Cast("width", FloatField()), Cast("height", FloatField())
    is_long = Q(width__gt=height * LONGER_BY) | Q(height__gt=width * LONGER_BY)
    return Least(whole, Case(When(is_long, then=windows)), output_field=FloatField())


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
    long = [
        image.pk for image in images if max(image.width, image.height) > LONGER_BY * min(image.width, image.height)
    ]
    if windows_in is None or not long:
        return
    vectors = ImageVector.objects.filter(set_id=windows_in, image_id__in=long)
    by_distance = vectors.order_by("image_id", CosineDistance("embedding", vector), "window_index")
    nearest = dict(by_distance.distinct("image_id").values_list("image_id", "window_index"))
    for image in images:
        image.window = nearest.get(image.pk, 0)
