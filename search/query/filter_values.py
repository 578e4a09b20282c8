"""Filters as values for the database, and the conditions made of them."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.models import Q

from search.models import AlbumImage, Capture, Place, Private
from search.models.querysets import ImageQuerySet
from search.query import full_text
from search.query.map_groups import InGroup
from search.query.nearby import Near
from search.query.tag_conditions import has_any_tag, has_tag, has_tag_in_words


class Yes(tuple[()]):
    """A condition holds. Not a value, since it changes the SQL (`search.models.sql_cache`)."""

    __slots__ = ()


class No(tuple[()]):
    """A condition does not hold."""

    __slots__ = ()


class Either(tuple[()]):
    """A condition may hold or not, where without this it must not."""

    __slots__ = ()


class Mine(NamedTuple):
    """Hidden pictures are excluded, except private ones that this account may see; or only these, if `alone`."""

    user: Any
    alone: Yes | None = None


class Excluded(NamedTuple):
    """Values that no image may have: filters typed with a minus. Licences, uploaders and tags match
    case-insensitively, cameras and lenses by any part."""

    tags: tuple[Any, ...] = ()
    formats: tuple[Any, ...] = ()
    orientations: tuple[Any, ...] = ()
    sizes: tuple[Any, ...] = ()
    colours: tuple[Any, ...] = ()
    licences: tuple[Any, ...] = ()
    uploaders: tuple[Any, ...] = ()
    cameras: tuple[Any, ...] = ()
    lenses: tuple[Any, ...] = ()
    countries: tuple[Any, ...] = ()
    regions: tuple[Any, ...] = ()
    towns: tuple[Any, ...] = ()
    places: tuple["AnyPlace", ...] = ()
    albums: tuple[Any, ...] = ()


class AnyPlace(NamedTuple):
    """The folded name of a town or a region, and the code of the country of that name, if there is one."""

    name: Any
    country: Any = None


class Named(NamedTuple):
    """Typed filters, case-insensitive: whole tags, licences and names of uploaders, and any part of a camera or lens.
    All tags and uploaders must match, of the others any. Regions and towns are folded, and match any of their names;
    `places` match the name of a country, a region or a town."""

    tags: tuple[Any, ...] = ()
    licences: tuple[Any, ...] = ()
    uploaders: tuple[Any, ...] = ()
    cameras: tuple[Any, ...] = ()
    lenses: tuple[Any, ...] = ()
    regions: tuple[Any, ...] = ()
    towns: tuple[Any, ...] = ()
    places: tuple[AnyPlace, ...] = ()
    albums: tuple[Any, ...] = ()


def visible(images: ImageQuerySet, hidden: Yes | Either | Mine | None) -> ImageQuerySet:
    """Return those of `images` that may be found at all."""
    if hidden is None:
        return images.shown()
    if isinstance(hidden, Mine):
        own = Private.objects.seen_by(hidden.user).values("pk")
        if hidden.alone is not None:
            return images.filter(pk__in=own, hidden=True)
        return images.filter(Q(hidden=False) | Q(pk__in=own))
    found = images.kept()
    return found.filter(hidden=True) if isinstance(hidden, Yes) else found


class FilterValues(NamedTuple):
    """All filters; each value may be a placeholder. `until` and `taken_until` are exclusive. `dated` says whether
    known, approximate and unknown dates pass. An image is in one of each of `in_albums`, and in none of
    `not_in_albums`: ids of albums visible to the user, so `named` and `excluded` have no albums here. It has one tag
    of each list in `any_tags`, and none in `no_tags`."""

    tags: tuple[Any, ...]
    any_tags: tuple[Any, ...]
    no_tags: tuple[Any, ...]
    formats: tuple[Any, ...]
    orientations: tuple[Any, ...]
    sizes: tuple[Any, ...]
    colours: tuple[Any, ...]
    together: Yes | None
    licences: tuple[Any, ...]
    cameras: tuple[Any, ...]
    lenses: tuple[Any, ...]
    countries: tuple[Any, ...]
    regions: tuple[Any, ...]
    towns: tuple[Any, ...]
    near: Near | None
    group: InGroup | None
    uploader: Any
    since: Any
    until: Any
    taken_since: Any
    taken_until: Any
    rating: Any
    dated: tuple[Yes | None, ...]
    described: Any
    hidden: Yes | Either | Mine | None
    tagged: Yes | No | None
    titled: Yes | No | None
    placed: Yes | No | None
    in_albums: tuple[tuple[Any, ...], ...]
    not_in_albums: tuple[Any, ...]
    named: Named
    excluded: Excluded

    def visible(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return those of `images` that may be found at all: hidden ones only on request."""
        return visible(images, self.hidden)

    def apply(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return those of `images` that pass."""
        conditions: dict[str, Any] = {"tags__contains": list(self.tags)} if self.tags else {}
        for column, values in self._chosen.items():
            if values:
                conditions[f"{column}__in"] = values
        single = {
            "uploader__username": self.uploader,
            "described": self.described,
            "created__gte": self.since,
            "created__lt": self.until,
            "capture__taken__gte": self.taken_since,
            "capture__taken__lt": self.taken_until,
            "capture__rating__gte": self.rating,
        }
        conditions |= {name: value for name, value in single.items() if value is not None}
        if self.colours:
            conditions[f"palette__names__{'overlap' if self.together is None else 'contains'}"] = list(self.colours)
        further = [*self._certainty(), *self._marked(), *self._named(), *map(_in_any, self.in_albums)]
        further += [one.condition() for one in (self.near, self.group) if one]
        further += [Q(has_any_tag(names)) for names in self.any_tags]
        passing = images.filter(*further, **conditions) if conditions or further else images
        refused = self._refused()
        return passing.filter(*(~one for one in refused)) if refused else passing

    @property
    def _chosen(self) -> dict[str, tuple[Any, ...]]:
        return {
            "format": self.formats,
            "orientation": self.orientations,
            "size": self.sizes,
            "licence": self.licences,
            "capture__camera": self.cameras,
            "capture__lens": self.lenses,
            "capture__place__country": self.countries,
            "capture__place__region": self.regions,
            "capture__place__town": self.towns,
        }

    def _certainty(self) -> list[Q]:
        """Return the condition of `dated`, of which several may be selected."""
        known, about, unknown = self.dated
        if known is None and about is None and unknown is None:
            return []
        passing = Q(pk__in=[])
        if known is not None:
            passing |= Q(capture__taken__isnull=False) & ~Q(capture__taken_from__in=Capture.GUESSED)
        if about is not None:
            passing |= Q(capture__taken_from__in=Capture.GUESSED)
        if unknown is not None:
            passing |= Q(capture__taken__isnull=True)
        return [passing]

    def _marked(self) -> list[Q]:
        marks = (
            (self.tagged, ~Q(tags=[])),
            (self.titled, ~Q(title="")),
            (self.placed, Q(capture__latitude__isnull=False)),
        )
        return [holds if isinstance(mark, Yes) else ~holds for mark, holds in marks if mark is not None]

    def _named(self) -> list[Q]:
        named = self.named
        found = [Q(full_text.holds(full_text.phrase(tag))) & Q(has_tag_in_words(tag)) for tag in named.tags]
        found += [Q(uploader__username__iexact=name) for name in named.uploaders]
        for column, values in (
            ("licence__iexact", named.licences),
            ("capture__camera__icontains", named.cameras),
            ("capture__lens__icontains", named.lenses),
        ):
            if values:
                found.append(_any(column, values))
        return found + _placed(named)

    def _refused(self) -> list[Q]:
        refused = [Q(has_tag(tag)) for tag in self.excluded.tags]
        refused += [Q(has_any_tag(names)) for names in self.no_tags]
        for column, values in (
            ("format__in", self.excluded.formats),
            ("orientation__in", self.excluded.orientations),
            ("size__in", self.excluded.sizes),
            ("palette__names__overlap", self.excluded.colours),
        ):
            if values:
                refused.append(Q(**{column: values}))
        if self.excluded.countries:
            refused.append(Q(capture__place__country__in=self.excluded.countries))
        for column, values in (
            ("licence__iexact", self.excluded.licences),
            ("uploader__username__iexact", self.excluded.uploaders),
            ("capture__camera__icontains", self.excluded.cameras),
            ("capture__lens__icontains", self.excluded.lenses),
        ):
            if values:
                refused.append(_any(column, values))
        if self.not_in_albums:
            refused.append(_in_any(self.not_in_albums))
        return refused + _placed(self.excluded)


def _in_any(albums: Sequence[Any]) -> Q:
    """Match images in one of these albums; none if there are no albums."""
    if not albums:
        return Q(pk__in=[])
    return Q(pk__in=AlbumImage.objects.filter(album__id__in=list(albums)).values("image"))


def _placed(named: Named | Excluded) -> list[Q]:
    """Match images taken in any of the regions, any of the towns, and any of the places."""
    called = (
        [Q(region_names__contains=[name]) for name in named.regions],
        [Q(town_names__contains=[name]) for name in named.towns],
        [_is(place) for place in named.places],
    )
    # Subquery of a few ids: names have no index, and a join would compare those of each picture.
    return [
        Q(capture__place__in=Place.objects.filter(reduce(or_, any_of)).values("pk")) for any_of in called if any_of
    ]


def _is(place: AnyPlace) -> Q:
    country = Q() if place.country is None else Q(country=place.country)
    return country | Q(region_names__contains=[place.name]) | Q(town_names__contains=[place.name])


def _any(column: str, values: Sequence[Any]) -> Q:
    return reduce(or_, [Q(**{column: value}) for value in values])
