"""Merging of metadata from several sources, field by field."""

from dataclasses import fields
from typing import Any

from search.metadata.dates import Moment, with_offset
from search.metadata.photo_metadata import NOTHING, PhotoMetadata, TakenFrom

_TOGETHER = {"offset", "taken_from", "longitude"}
"""Fields that are taken from the same source as the field before them."""
_ALONE = tuple(field.name for field in fields(PhotoMetadata) if field.name not in _TOGETHER)


def merged(*sources: PhotoMetadata) -> PhotoMetadata:
    """Return each field from the first source that has it; sources are in order of precedence."""
    sources = tuple(source for source in sources if source != NOTHING)
    if len(sources) < 2:
        return sources[0] if sources else NOTHING
    found: dict[str, Any] = {}
    for name in _ALONE:
        for source in sources:
            value = getattr(source, name)
            if value not in ("", (), None):
                found[name] = value
                if name == "taken":
                    found |= _time(source, sources)
                elif name == "latitude":
                    found["longitude"] = source.longitude
                break
    return PhotoMetadata(**found)


def _time(first: PhotoMetadata, sources: tuple[PhotoMetadata, ...]) -> dict[str, Any]:
    """Return the time of `first`, completed by sources with the same moment: local time, offset, fractions of a
    second."""
    assert first.taken
    moment = Moment(first.taken, first.offset)
    for other in sources:
        if other is first or other.taken is None or other.taken_from in (TakenFrom.NAME, TakenFrom.FILE):
            continue
        if moment.offset is None and _is_same_second(other, moment):
            # Of two values for one second, the larger one has the fraction.
            moment = Moment(max(moment.wall, other.taken), other.offset)
        elif first.taken_from == TakenFrom.SIDECAR and moment.offset == 0:
            moment = _where_it_was(other, moment)
    return {"taken": moment.wall, "offset": moment.offset, "taken_from": first.taken_from}


def _is_same_second(other: PhotoMetadata, moment: Moment) -> bool:
    assert other.taken
    return other.taken.replace(microsecond=0) == moment.wall.replace(microsecond=0)


def _where_it_was(other: PhotoMetadata, moment: Moment) -> Moment:
    """Convert a moment in UTC, as in Google's export, to the camera's local time, if both mean the same moment."""
    assert other.taken
    if other.offset is None:
        return with_offset(Moment(other.taken), moment.wall, tolerance=1) or moment
    own = Moment(other.taken, other.offset)
    return own if own.utc and abs((own.utc - moment.wall).total_seconds()) <= 1 else moment
