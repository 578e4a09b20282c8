"""The place of a picture on its page, for those who may see it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.functional import cached_property
from django.utils.translation import get_language

from search.facets import place_label
from search.models import Capture, Place
from search.places.location_map import Map, map_around
from search.places.town_names import korean, town_names
from search.places.towns import Located, Town
from search.query import SearchQuery, Sort
from search.query.filters import Filters

DISTANCES = (1, 10, 100)
"""Choices of the radius of a search around a picture, in kilometres."""


@dataclass(frozen=True)
class PlaceShown:
    capture: Capture

    @cached_property
    def steps(self) -> list[tuple[str, SearchQuery]]:
        """Town, region and country, as far as known, each with the search for it."""
        place = self.capture.place
        if place is None:
            return []
        of_country = Filters(countries=(place.country,))
        found = [(place_label("country", place.country), SearchQuery(filters=of_country))]
        if place.region:
            of_region = replace(of_country, regions=(place.region,))
            found.append((shown(place, "region"), SearchQuery(filters=of_region)))
        if place.town:
            of_town = replace(of_country, regions=(place.region,) if place.region else (), towns=(place.town,))
            found.append((shown(place, "town"), SearchQuery(filters=of_town)))
        # Many regions share the name of their town.
        return [one for number, one in enumerate(found) if one[0] not in [name for name, _q in found[number + 1 :]]][
            ::-1
        ]

    @property
    def name(self) -> str:
        return ", ".join(name for name, _query in self.steps)

    @property
    def near(self) -> list[tuple[int, SearchQuery]]:
        """Searches for pictures taken nearby."""
        filters = Filters(near=self.capture.image_id)
        return [(one, SearchQuery(filters=replace(filters, within=one), sort=Sort.NEAREST)) for one in DISTANCES]

    @property
    def coordinates(self) -> str:
        return f"{self.capture.latitude:.5f}, {self.capture.longitude:.5f}"

    @property
    def address(self) -> str:
        """URL of this place on OpenStreetMap."""
        at = f"{self.capture.latitude:.5f}/{self.capture.longitude:.5f}"
        latitude, longitude = at.split("/")
        return f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=14/{at}"

    @cached_property
    def map(self) -> Map:
        assert self.capture.latitude is not None
        assert self.capture.longitude is not None
        called = _in_korean if get_language() == "ko" else None
        return map_around(self.capture.latitude, self.capture.longitude, called)


def place_of(capture: Capture | None) -> PlaceShown | None:
    """Return the place of a capture; None if it is unknown."""
    return PlaceShown(capture) if capture and capture.has_place else None


def shown(place: Place, name: str) -> str:
    """Return the name of a place's region or town in the active language."""
    translated = getattr(place, f"korean_{name}") if get_language() == "ko" else ""
    return str(translated or getattr(place, name))


def _in_korean(towns: Sequence[Town]) -> list[str]:
    names = town_names([Located("", "", one.name, one.latitude, one.longitude) for one in towns])
    return [korean(found) or town.name for town, found in zip(towns, names, strict=True)]
