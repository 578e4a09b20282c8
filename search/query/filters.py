"""Filters: the exact conditions that users select beside a query."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from django.utils import timezone

from search.imaging import COLOUR_NAMES
from search.models import Image
from search.models.querysets import ImageQuerySet
from search.query import filter_parameters as read
from search.query.filter_sql import Either, Excluded, FilterValues, Mine, Named, No, Yes
from search.query.map_groups import in_group
from search.query.nearby import USUAL, near
from search.query.query_parts import Params, read_id
from search.query.tag_names import tag_names
from search.query.viewer import asker

STARS = ("1", "2", "3", "4", "5")
TOGETHER = "together"
"""Value of the URL parameter `colours` if all colours must be in a picture, not any of them."""


_NAMED_NOTHING, _EXCLUDED_NOTHING = Named(), Excluded()


class Certainty(StrEnum):
    """How well it is known when a picture was taken."""

    KNOWN = "known"
    ABOUT = "about"
    UNKNOWN = "unknown"


class Hidden(StrEnum):
    """Whether hidden pictures, which only curators may see, are excluded, included, or the only results.

    The last two values are not allowed in URLs: `Scope` sets them for users who may see private pictures, to include
    these, or only these.
    """

    NO = "no"
    WITH = "with"
    ONLY = "only"
    MINE = "mine"
    MINE_ALONE = "mine-alone"


ASKED_FOR = (Hidden.NO, Hidden.WITH, Hidden.ONLY)
"""The values allowed in URLs."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of a query. All of `tags` must match, of other lists any; empty ones don't filter.

    Days of adding are in the site's time zone, days of taking in that of the place. `rating` is the minimum number of
    stars. Countries are ISO 3166 codes, regions and towns GeoNames' names; `near` is an image, around which pictures
    pass that were taken `within` some kilometres. `albums` are ids; `group` is one of the map. With `together`, all of
    `colours` must be in the picture. By default hidden images are excluded. Fields in the second half can only be
    typed: they have no URL parameter.
    """

    tags: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    orientations: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    together: bool | None = None
    licences: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    lenses: tuple[str, ...] = ()
    dated: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    towns: tuple[str, ...] = ()
    near: uuid.UUID | None = None
    within: int | None = None
    group: int | None = None
    uploader: str = ""
    since: dt.date | None = None
    until: dt.date | None = None
    taken_since: dt.date | None = None
    taken_until: dt.date | None = None
    rating: int | None = None
    described: bool | None = None
    hidden: Hidden | None = None

    tagged: bool | None = None
    titled: bool | None = None
    placed: bool | None = None
    named: Named = _NAMED_NOTHING
    excluded: Excluded = _EXCLUDED_NOTHING

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Parse URL parameters. Raises BadQuery for a value that no image can have."""
        since, until = read.days(params, "since", "until")
        taken_since, taken_until = read.days(params, "taken_since", "taken_until")
        rating = "".join(read.choices(params, "rating", STARS)[-1:])
        colours = read.choices(params, "colour", COLOUR_NAMES)
        hidden = "".join(read.choices(params, "hidden", ASKED_FOR)[-1:])
        return cls(
            tags=read.texts(params, "tag", 60),
            formats=read.choices(params, "format", Image.Format.values),
            orientations=read.choices(params, "orientation", Image.Orientation.values),
            sizes=read.choices(params, "size", Image.Size.values),
            colours=colours,
            together=bool(read.choices(params, "colours", [TOGETHER]) and colours) or None,
            licences=read.texts(params, "licence", 300),
            albums=read.album_ids(params),
            cameras=read.texts(params, "camera", read.LONGEST_OF_A_CAMERA),
            lenses=read.texts(params, "lens", read.LONGEST_OF_A_CAMERA),
            dated=read.choices(params, "dated", list(Certainty)),
            countries=read.countries(params),
            regions=read.texts(params, "region", read.LONGEST_OF_A_PLACE),
            towns=read.texts(params, "town", read.LONGEST_OF_A_PLACE),
            near=read_id("".join(params.get("near", ())[-1:])),
            within=read.kilometres(params),
            group=read.group(params),
            uploader="".join(read.texts(params, "uploader", 150)[-1:]),
            since=since,
            until=until,
            taken_since=taken_since,
            taken_until=taken_until,
            rating=int(rating) if rating else None,
            described={"yes": True, "no": False}.get("".join(read.choices(params, "described", ["yes", "no"])[-1:])),
            hidden=Hidden(hidden) if hidden else None,
        )

    def to_params(self) -> list[tuple[str, str]]:
        """Return the parameters from which `from_params` reads these filters."""
        if self.is_empty:  # mostly; and a page has a dozen links to searches
            return []
        params = [(name, value) for name, field in MULTIPLE.items() for value in getattr(self, field)]
        if self.together:
            params.append(("colours", TOGETHER))
        if self.uploader:
            params.append(("uploader", self.uploader))
        days = [(name, getattr(self, name)) for name in DAYS]
        params += [(name, day.isoformat()) for name, day in days if day]
        if self.near:
            params.append(("near", str(self.near)))
        if self.within is not None:
            params.append(("within", str(self.within)))
        if self.group is not None:
            params.append(("group", str(self.group)))
        if self.rating is not None:
            params.append(("rating", str(self.rating)))
        if self.described is not None:
            params.append(("described", "yes" if self.described else "no"))
        if self.hidden is not None:
            params.append(("hidden", str(self.hidden)))
        return params

    @property
    def is_empty(self) -> bool:
        return self == NO_FILTERS

    @property
    def is_by_place(self) -> bool:
        """Whether the results would reveal where pictures were taken."""
        chosen = (self.placed, self.near, self.within) != (None, None, None)
        typed = (
            getattr(one, name) for one in (self.named, self.excluded) for name in _OF_PLACES if hasattr(one, name)
        )
        return chosen or any((self.countries, self.regions, self.towns, *typed))

    @property
    def finds_hidden(self) -> bool:
        """Whether these find pictures that not everybody may see."""
        return self.hidden not in (None, Hidden.NO)

    def without(self, *fields: str) -> Self:
        """Return these filters with some of the fields cleared."""
        cleared: dict[str, Any] = {name: getattr(NO_FILTERS, name) for name in fields}
        return replace(self, **cleared)

    def and_also(self, other: Self) -> Self:
        """Return filters whose results pass both; where any value may match, the union of values."""
        if other == NO_FILTERS:
            return self
        return type(self)(**{one.name: _both(one.name, self, other) for one in fields(self)})

    @property
    def values(self) -> FilterValues:
        """The values for the database. Raises BadQuery for `near` an image of unknown place, or an unknown group."""
        tags, named, excluded, any_tags, no_tags = self._tags_by_names()
        return FilterValues(
            tags=tags,
            any_tags=any_tags,
            no_tags=no_tags,
            formats=self.formats,
            orientations=self.orientations,
            sizes=self.sizes,
            colours=self.colours,
            together=Yes() if self.together else None,
            licences=self.licences,
            cameras=self.cameras,
            lenses=self.lenses,
            countries=self.countries,
            regions=self.regions,
            towns=self.towns,
            near=near(self.near, self.within or USUAL) if self.near else None,
            group=in_group(self.group) if self.group is not None else None,
            uploader=self.uploader or None,
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + _A_DAY) if self.until else None,
            taken_since=_begin(self.taken_since) if self.taken_since else None,
            taken_until=_begin(self.taken_until + _A_DAY) if self.taken_until else None,
            rating=self.rating,
            dated=tuple(Yes() if one in self.dated else None for one in Certainty),
            described=self.described,
            hidden=_hidden(self.hidden),
            tagged=_mark(self.tagged),
            titled=_mark(self.titled),
            placed=_mark(self.placed),
            **self._albums,
            named=named._replace(albums=()),
            excluded=excluded._replace(albums=()),
        )

    def _tags_by_names(self) -> tuple[tuple[str, ...], Named, Excluded, tuple[list[str], ...], tuple[list[str], ...]]:
        """Return the selected, typed and excluded tags with a single name; and for those with several names, or with
        narrower tags, all of these."""
        if not (self.tags or self.named.tags or self.excluded.tags):
            return self.tags, self.named, self.excluded, (), ()
        names = tag_names()
        ticked = {tag: names.found_by(tag) for tag in self.tags}
        typed = {tag: names.meant_by(tag) for tag in self.named.tags}
        excluded = {tag: names.meant_by(tag) for tag in self.excluded.tags}
        return (
            _alone(ticked),
            self.named._replace(tags=_alone(typed)),
            self.excluded._replace(tags=_alone(excluded)),
            (*_several(ticked), *_several(typed)),
            _several(excluded),
        )

    @property
    def _albums(self) -> dict[str, tuple[Any, ...]]:
        """Return the ids of the albums meant, limited to those that the user may see."""
        if not (self.albums or self.named.albums or self.excluded.albums):
            return {"in_albums": (), "not_in_albums": ()}
        known = asker()
        ticked = tuple(key for key in map(int, self.albums) if key in known.albums)
        called = tuple(known.albums_called(title) for title in self.named.albums)
        refused = [key for title in self.excluded.albums for key in known.albums_called(title)]
        return {"in_albums": ((ticked,) if self.albums else ()) + called, "not_in_albums": tuple(refused)}

    def apply(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return those of `images` that pass."""
        return self.values.apply(images)


MULTIPLE = {
    "tag": "tags",
    "format": "formats",
    "orientation": "orientations",
    "size": "sizes",
    "colour": "colours",
    "licence": "licences",
    "album": "albums",
    "camera": "cameras",
    "lens": "lenses",
    "dated": "dated",
    "country": "countries",
    "region": "regions",
    "town": "towns",
}
"""Parameters that may occur several times in a URL, and their fields."""


def _alone(found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(tag for tag, names in found.items() if len(names) == 1)


def _several(found: Mapping[str, Sequence[str]]) -> tuple[list[str], ...]:
    return tuple(list(names) for names in found.values() if len(names) > 1)


_OF_PLACES = ("countries", "regions", "towns", "places")
DAYS = ("since", "until", "taken_since", "taken_until")
"""Parameters, and fields, that are days."""

NO_FILTERS = Filters()
_A_DAY = dt.timedelta(days=1)


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(_begin(day))


def _begin(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


def _mark(whether: bool | None) -> Yes | No | None:
    return None if whether is None else Yes() if whether else No()


def _hidden(which: Hidden | None) -> Yes | Either | Mine | None:
    if which in (Hidden.MINE, Hidden.MINE_ALONE):
        return Mine(asker().user.pk, Yes() if which is Hidden.MINE_ALONE else None)
    if which is Hidden.WITH:
        return Either()
    return Yes() if which is Hidden.ONLY else None


def _all_of(mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*mine, *theirs)))


def _both(name: str, one: Any, other: Any) -> Any:
    """Return the intersection of two filters of one field."""
    mine, theirs = getattr(one, name), getattr(other, name)
    if isinstance(mine, (Named, Excluded)):
        return type(mine)(*map(_all_of, mine, theirs))
    if isinstance(mine, tuple):
        return _all_of(mine, theirs)
    if mine in (None, "") or theirs in (None, ""):
        return theirs if mine in (None, "") else mine
    if name.endswith("until"):
        return min(mine, theirs)
    return max(mine, theirs) if name.endswith("since") or name == "rating" else theirs
