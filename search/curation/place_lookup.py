"""Look up countries, regions and towns of coordinates, and store them."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import transaction

from search.models import Place
from search.models.sql_statements import execute, fetch_all, fetch_value
from search.places.town_names import folded, korean, korean_region, region_names, town_names
from search.places.towns import Located, towns

BATCH = 2_000


def place_pictures(image_ids: Collection[uuid.UUID]) -> None:
    """Look up the places of those images whose coordinates are new. Call in the transaction that writes these."""
    if image_ids:
        _place("AND image_id = ANY(%s)", [sorted(image_ids)])


def count_unplaced() -> int:
    """Return how many pictures have coordinates without a place looked up."""
    return int(fetch_value("SELECT count(*) FROM search_capture WHERE latitude IS NOT NULL AND NOT is_placed"))


@transaction.atomic
def place_some() -> int:
    """Look up a batch among all images, skipping locked rows; return its size. Any number of processes may do so at
    once."""
    return _place("", [])


def place_again() -> None:
    """Mark all for lookup again, as with a new table of towns."""
    execute("UPDATE search_capture SET is_placed = false WHERE latitude IS NOT NULL AND is_placed")


_SELECT = """
SELECT image_id, latitude, longitude FROM search_capture WHERE latitude IS NOT NULL AND NOT is_placed {further}
ORDER BY image_id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
_UPDATE = """
UPDATE search_capture SET place_id = given.place_id, is_placed = true
FROM unnest(%s::uuid[], %s::bigint[]) AS given (image_id, place_id) WHERE search_capture.image_id = given.image_id
"""


def _place(further: str, values: Sequence[Any]) -> int:
    rows = fetch_all(_SELECT.format(further=further), [*values, BATCH])
    if rows:
        located = towns().locate([(latitude, longitude) for _id, latitude, longitude in rows])
        known = _ids_of({one for one in located if one})
        places = [known[_key(one)] if one else None for one in located]
        execute(_UPDATE, [[image_id for image_id, *_at in rows], places])
    return len(rows)


_Key = tuple[str, str, str]


def _key(one: Located) -> _Key:
    return one.country, one.region, one.town


def _ids_of(located: Iterable[Located]) -> dict[_Key, int]:
    """Return the ids of places; new ones are added."""
    # Several towns of a region may have the same name.
    wanted = {_key(one): one for one in sorted(located)}
    found = _known(wanted)
    new = [one for key, one in wanted.items() if key not in found]
    if new:
        # Sorted, against deadlocks with a process that adds the same.
        Place.objects.bulk_create(
            [_made(one, names) for one, names in zip(new, town_names(new), strict=True)], ignore_conflicts=True
        )
        found = _known(wanted)
    return found


def _known(keys: Collection[_Key]) -> dict[_Key, int]:
    rows = fetch_all(
        "SELECT country, region, town, id FROM search_place"
        " JOIN unnest(%s::text[], %s::text[], %s::text[]) AS given (country, region, town)"
        " USING (country, region, town)",
        [list(column) for column in zip(*keys, strict=True)] if keys else [[], [], []],
    )
    return {(country, region, town): number for country, region, town, number in rows}


def _made(one: Located, names: list[str]) -> Place:
    of_region = region_names(one)
    return Place(
        country=one.country,
        region=one.region,
        town=one.town,
        korean_region=korean_region(one, of_region),
        korean_town=korean(names),
        region_names=folded([one.region, *of_region]),
        town_names=folded([one.town, *names]),
    )
