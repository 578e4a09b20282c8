"""Filters as the database takes them: what columns are compared with, and how."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.models import BooleanField, F, Func, Q

from search.models import AlbumImage, Capture, Place, Private
from search.models.querysets import ImageQuerySet
from search.query import full_text
from search.query.map_groups import InGroup
from search.query.nearby import Near


class Yes(tuple[()]):
    """That a condition holds. No value, of which SQL would have to be told: it is another condition, not another value
    of the same (`search.models.sql_cache`)."""

    __slots__ = ()


class No(tuple[()]):
    """That it does not."""

    __slots__ = ()


class Either(tuple[()]):
    """That it may hold or not, where without this it must not."""

    __slots__ = ()


class Mine(NamedTuple):
    """That it may not hold, but for what is private and this account may see; or for these `alone`."""

    user: Any
    alone: Yes | None = None


class Excluded(NamedTuple):
    """Values that no image may have: what is typed with a minus. Licences, names of uploaders and tags in any case, of
    cameras and lenses any part."""

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
    """The folded name of a town or a region, and the code of the country that is called so, if one is."""

    name: Any
    country: Any = None


class Named(NamedTuple):
    """What was typed, in any case: whole tags, licences and names of uploaders, and any part of a camera or lens. All
    of the tags and uploaders must fit, of the others any. Regions and towns are folded, and fit by any of their
    names; `places` fit by the name of a country, a region or a town."""

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
    """In the place of each value there may be a blank. `until` and `taken_until` are the first moments that don't pass
    any more; `dated` tells whether dates that are known, that are about right, and that nobody knows pass. Of each of
    `in_albums` an image is in one, of `not_in_albums` in none: ids of such as whoever asks may see, so that `named`
    and `excluded` name no albums here. Of each of `any_tags`, lists of tags, an image has one, of `no_tags` none."""

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
        """Return those of `images` that may be found at all: hidden ones only where these are asked for."""
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
        """What passes `dated`, of which several may be chosen."""
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
        found = [Q(full_text.holds(full_text.phrase(tag))) & Q(_has_tag(tag)) for tag in named.tags]
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
        refused = [Q(_has_tag(tag)) for tag in self.excluded.tags]
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
    """What is in one of these albums; where there is none, nothing."""
    if not albums:
        return Q(pk__in=[])
    return Q(pk__in=AlbumImage.objects.filter(album__id__in=list(albums)).values("image"))


def _placed(named: Named | Excluded) -> list[Q]:
    """What was taken in any of the regions, in any of the towns, and in any of the places that are named."""
    called = (
        [Q(region_names__contains=[name]) for name in named.regions],
        [Q(town_names__contains=[name]) for name in named.towns],
        [_is(place) for place in named.places],
    )
    # Ids of few rows: names have no index, and a join would compare those of each picture.
    return [
        Q(capture__place__in=Place.objects.filter(reduce(or_, any_of)).values("pk")) for any_of in called if any_of
    ]


def _is(place: AnyPlace) -> Q:
    country = Q() if place.country is None else Q(country=place.country)
    return country | Q(region_names__contains=[place.name]) | Q(town_names__contains=[place.name])


def _any(column: str, values: Sequence[Any]) -> Q:
    return reduce(or_, [Q(**{column: value}) for value in values])


def has_any_tag(names: Any) -> Func:
    """Whether one of the tags is among `names`, a list that is one value. By the index of tags."""
    return Func(
        F("tags"),
        full_text.value_of(names),
        template="(%(expressions)s::varchar[])",
        arg_joiner=" && ",
        output_field=BooleanField(),
    )


def _has_tag(tag: full_text.Text) -> Func:
    """Whether one of the tags is this one, in any case. No index knows; that of the words leaves few rows to ask."""
    return Func(
        F("tags"),
        full_text.value_of(tag),
        template="(lower(%(expressions)s)])",
        arg_joiner="::text)::text[] @> ARRAY[lower(",
        output_field=BooleanField(),
    )
