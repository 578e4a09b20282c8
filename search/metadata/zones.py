"""The time zone of photos without one, from PHOTO_TIME_ZONE."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from zoneinfo import ZoneInfo

from search.metadata.photo_metadata import PhotoMetadata


def in_zone(
    said: PhotoMetadata, zone: ZoneInfo, *, counted: Iterable[PhotoMetadata], shown: Iterable[PhotoMetadata]
) -> PhotoMetadata:
    """Return `said` with `taken` as local time in `zone`, and its offset, where no source has an offset.

    `counted` are sources that give the time in UTC, `shown` those that give local time: a time in UTC that a local
    clock confirms, as in London, is kept; one in UTC alone is converted (12:51 becomes 21:51 in Seoul).
    """
    taken = said.taken
    if taken is None:
        return said
    if said.offset is None:
        return replace(said, offset=_minutes(taken.replace(tzinfo=zone)))
    is_counted = said.offset == 0 and any(
        (one.taken, one.offset, one.taken_from) == (taken, 0, said.taken_from) for one in counted
    )
    if not is_counted or any(one.taken and one.taken.replace(microsecond=0) == taken for one in shown):
        return said
    local = taken.replace(tzinfo=dt.UTC).astimezone(zone)
    return replace(said, taken=local.replace(tzinfo=None), offset=_minutes(local))


def _minutes(local: dt.datetime) -> int | None:
    offset = local.utcoffset()
    return None if offset is None else round(offset.total_seconds() / 60)
