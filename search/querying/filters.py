"""Which images may be found at all: what people tick beside a query. Every filter is exact."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from django.utils import timezone
from django.utils.translation import gettext as _

from search.imaging import PALETTE
from search.models import Image
from search.querying.errors import BadQuery
from search.querying.parts import Params
from search.querysets import ImageQuerySet
from search.texts import normalised_text

MAX_VALUES = 20
"""Values of one filter."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Of `tags` all must hold, of the others any; what is empty filters nothing. Days are those of the site's zone."""

    tags: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    orientations: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    uploader: str = ""
    since: dt.date | None = None
    until: dt.date | None = None
    described: bool | None = None

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Raises BadQuery for a value that no image can have."""
        since, until = _day(params, "since"), _day(params, "until")
        if since and until and since > until:
            raise BadQuery(_("The first day of this search lies after its last day."))
        return cls(
            tags=_texts(params, "tag", 60),
            formats=_choices(params, "format", Image.Format.values),
            orientations=_choices(params, "orientation", Image.Orientation.values),
            sizes=_choices(params, "size", Image.Size.values),
            colours=_choices(params, "colour", list(PALETTE)),
            licences=_texts(params, "licence", 300),
            uploader="".join(_texts(params, "uploader", 150)[-1:]),
            since=since,
            until=until,
            described={"yes": True, "no": False}.get("".join(_choices(params, "described", ["yes", "no"])[-1:])),
        )

    def to_params(self) -> list[tuple[str, str]]:
        """Return the parameters that `from_params` reads these filters from."""
        params = [(name, value) for name, field in MULTIPLE.items() for value in getattr(self, field)]
        if self.uploader:
            params.append(("uploader", self.uploader))
        params += [(name, day.isoformat()) for name, day in (("since", self.since), ("until", self.until)) if day]
        if self.described is not None:
            params.append(("described", "yes" if self.described else "no"))
        return params

    @property
    def is_empty(self) -> bool:
        return not self.to_params()

    def without(self, *fields: str) -> Self:
        """Return these filters with some of the fields cleared."""
        cleared: dict[str, Any] = {name: getattr(_NONE, name) for name in fields}
        return replace(self, **cleared)

    @property
    def values(self) -> "FilterValues":
        return FilterValues(
            self.tags,
            self.formats,
            self.orientations,
            self.sizes,
            self.colours,
            self.licences,
            self.uploader or None,
            _midnight(self.since) if self.since else None,
            _midnight(self.until + dt.timedelta(days=1)) if self.until else None,
            self.described,
        )

    def apply(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return those of `images` that pass."""
        return self.values.apply(images)


class FilterValues(NamedTuple):
    """What columns are compared with; in the place of each value there may be a blank. `until` is the first moment
    that does not pass any more."""

    tags: tuple[Any, ...]
    formats: tuple[Any, ...]
    orientations: tuple[Any, ...]
    sizes: tuple[Any, ...]
    colours: tuple[Any, ...]
    licences: tuple[Any, ...]
    uploader: Any
    since: Any
    until: Any
    described: Any

    def apply(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return those of `images` that pass."""
        conditions: dict[str, Any] = {"tags__contains": list(self.tags)} if self.tags else {}
        for name in ("format", "orientation", "size", "colour", "licence"):
            if values := getattr(self, f"{name}s"):
                conditions[f"{name}__in"] = values
        single = {
            "uploader__username": self.uploader,
            "described": self.described,
            "created__gte": self.since,
            "created__lt": self.until,
        }
        conditions |= {name: value for name, value in single.items() if value is not None}
        return images.filter(**conditions) if conditions else images


MULTIPLE = {
    "tag": "tags",
    "format": "formats",
    "orientation": "orientations",
    "size": "sizes",
    "colour": "colours",
    "licence": "licences",
}
"""The parameters that may stand in an address several times, and the fields that hold them."""

_NONE = Filters()


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


def _texts(params: Params, name: str, longest: int) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(text for value in params.get(name, ()) if (text := normalised_text(value))))
    if len(values) > MAX_VALUES:
        raise BadQuery(
            _("A search can have %(limit)s values of “%(name)s”; this one has %(found)s.")
            % {"limit": MAX_VALUES, "name": name, "found": len(values)}
        )
    for value in values:
        if len(value) > longest:
            raise BadQuery(
                _("“%(value)s…” is too long for “%(name)s”: %(limit)s characters are the most.")
                % {"value": value[:20], "name": name, "limit": longest}
            )
    return values


def _choices(params: Params, name: str, known: Sequence[str]) -> tuple[str, ...]:
    values = _texts(params, name, 300)
    for value in values:
        if value not in known:
            raise BadQuery(
                _("“%(value)s” is not known as “%(name)s”. Known are: %(known)s.")
                % {"value": value[:20], "name": name, "known": ", ".join(known)}
            )
    return values


def _day(params: Params, name: str) -> dt.date | None:
    text = "".join(params.get(name, ())[-1:]).strip()
    if not text:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = dt.date.min
    # Beyond these years midnight is no moment in every time zone.
    if not 1000 <= day.year <= 9000:
        raise BadQuery(_("“%(text)s” is no day. Write it like 2026-03-31.") % {"text": text[:20]})
    return day
