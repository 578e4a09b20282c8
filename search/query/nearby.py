"""Filter by distance from another picture: a bounding box, which an index supports, and then the great-circle
distance."""

import math
import uuid
from typing import Any, NamedTuple

from django.db.models import F, FloatField, Func, Q
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext as _

from search.models import Capture, FormerId
from search.places import EARTH
from search.query.errors import BadQuery

USUAL = 10
"""Default distance in kilometres."""
FARTHEST = 20_000
_SPARE = 1e-9
"""Degrees added to the bounding box against rounding errors."""


class Near(NamedTuple):
    """Around a point, in degrees: pictures from `south` to `north` and in one of `spans`, from west to east, whose
    haversine is at most `most`. Without spans all longitudes pass."""

    latitude: Any
    longitude: Any
    cosine: Any
    most: Any
    south: Any
    north: Any
    spans: tuple[tuple[Any, Any], ...]

    def condition(self) -> Q:
        passing = Q(capture__latitude__gte=self.south, capture__latitude__lte=self.north)
        if self.spans:
            beside = Q()
            for west, east in self.spans:
                beside |= Q(capture__longitude__gte=west, capture__longitude__lte=east)
            passing &= beside
        return passing & Q(LessThanOrEqual(self.haversine(), self.most))

    def haversine(self) -> Func:
        """Return the haversine of the angle to a picture's coordinates, which increases with distance."""
        return _Haversine(F("capture__latitude"), F("capture__longitude"), self.latitude, self.longitude, self.cosine)


class _Haversine(Func):
    output_field = FloatField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        compiled = [compiler.compile(one) for one in self.source_expressions]
        (latitude, _a), (longitude, _b), (north, of_north), (east, of_east), (cosine, of_cosine) = compiled
        sql = (
            f"(power(sin(radians({latitude} - {north}::float8) / 2), 2) + cos(radians({latitude})) * {cosine}::float8"
            f" * power(sin(radians({longitude} - {east}::float8) / 2), 2))"
        )
        return sql, [*of_north, *of_cosine, *of_east]


def near(image_id: uuid.UUID, kilometres: int) -> Near:
    """Return the condition of being within `kilometres` of where an image was taken.

    Raises BadQuery if that is unknown, or the image is hidden.
    """
    ids = {image_id, *FormerId.present([image_id]).values()}
    known = Capture.objects.filter(image_id__in=ids, image__hidden=False, latitude__isnull=False)
    point = known.values_list("latitude", "longitude").first()
    if point is None:
        raise BadQuery(_("The location of this picture is unknown."))
    return around(point[0] or 0.0, point[1] or 0.0, kilometres)


def around(latitude: float, longitude: float, kilometres: float) -> Near:
    """Return the condition of being within `kilometres` of a point in degrees."""
    angle = min(kilometres / EARTH, math.pi)
    cosine = math.cos(math.radians(latitude))
    south, north = (latitude + sign * (math.degrees(angle) + _SPARE) for sign in (-1, 1))
    # Around a pole all longitudes are near.
    reach = 360.0 if south <= -90 or north >= 90 else _reach(angle, cosine)
    return Near(
        latitude,
        longitude,
        cosine,
        math.sin(angle / 2) ** 2,
        south,
        north,
        _spans(longitude - reach, longitude + reach),
    )


def _reach(angle: float, cosine: float) -> float:
    """Return the maximum difference in longitude within an angle, in degrees: it is reached nearer to the pole."""
    return math.degrees(math.asin(min(1.0, math.sin(angle) / cosine))) + _SPARE


def _spans(west: float, east: float) -> tuple[tuple[float, float], ...]:
    if east - west >= 360:
        return ()
    if west < -180:
        return (west + 360, 180.0), (-180.0, east)
    return ((west, 180.0), (-180.0, east - 360)) if east > 180 else ((west, east),)
