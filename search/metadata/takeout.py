"""The metadata of a picture in the JSON of Google Takeout."""

import html
from collections.abc import Mapping
from typing import Any

from search.metadata.dates import dated, of_timestamp
from search.metadata.photo_metadata import PhotoMetadata, TakenFrom


def is_takeout(said: Mapping[str, Any]) -> bool:
    """Whether this is Google Takeout's metadata of a picture."""
    return isinstance(said.get("photoTakenTime"), dict)


def from_takeout(said: Mapping[str, Any]) -> PhotoMetadata:
    """Return the metadata in Google Takeout's JSON. Its title is ignored: it is the file name."""
    time = said.get("photoTakenTime")
    moment = of_timestamp(time.get("timestamp")) if isinstance(time, dict) else None
    places = [said.get("geoData"), said.get("geoDataExif")]
    place: dict[str, Any] = next((one for one in places if isinstance(one, dict) and _is_known(one)), {})
    description = said.get("description")
    return PhotoMetadata.of(
        # Google escapes some characters as in HTML.
        description=html.unescape(description) if isinstance(description, str) else "",
        **dated(moment, TakenFrom.SIDECAR),
        latitude=place.get("latitude"),
        longitude=place.get("longitude"),
    )


def _is_known(place: Mapping[str, Any]) -> bool:
    return bool(place.get("latitude") or place.get("longitude"))
