"""Read the values of filters from URL parameters. Functions raise BadQuery for a value that no image can have."""

import datetime as dt
from collections.abc import Sequence

from django.utils.translation import gettext as _

from search.places.countries import country_named
from search.query.date_spans import FIRST_YEAR, LAST_YEAR
from search.query.errors import BadQuery
from search.query.nearby import FARTHEST
from search.query.query_parts import Params
from search.text.normalization import normalised_text
from search.text.numbers import whole_number

MAX_VALUES = 20
"""Maximum values of one filter."""
LONGEST_OF_A_CAMERA = 150
"""Characters of the name of a camera or lens."""
LONGEST_OF_A_PLACE = 200
_LONGEST_NUMBER = 18
"""Maximum digits of database ids."""
MOST_GROUP = 32_767
"""The largest possible number of a map group."""


def texts(params: Params, name: str, longest: int) -> tuple[str, ...]:
    """Return the values of a parameter, normalised, without duplicates."""
    values = tuple(dict.fromkeys(text for value in params.get(name, ()) if (text := normalised_text(value))))
    if len(values) > MAX_VALUES:
        raise BadQuery(
            _("A search can have %(limit)s values of “%(name)s”; this one has %(found)s.")
            % {"limit": MAX_VALUES, "name": name, "found": len(values)}
        )
    for value in values:
        if len(value) > longest:
            raise BadQuery(
                _("“%(value)s…” is too long for “%(name)s”; the limit is %(limit)s characters.")
                % {"value": value[:20], "name": name, "limit": longest}
            )
    return values


def choices(params: Params, name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the values of a parameter, all of them `known`."""
    values = texts(params, name, 300)
    for value in values:
        if value not in known:
            raise BadQuery(
                _("“%(value)s” is not a value of “%(name)s”. Possible values: %(known)s.")
                % {"value": value[:20], "name": name, "known": ", ".join(known)}
            )
    return values


def album_ids(params: Params) -> tuple[str, ...]:
    """Return the ids, without leading zeros."""
    ids = texts(params, "album", _LONGEST_NUMBER)
    for one in ids:
        if not (one.isascii() and one.isdecimal()):
            raise BadQuery(_("“%(text)s” is not an album.") % {"text": one[:20]})
    return tuple(dict.fromkeys(str(int(one)) for one in ids))


def countries(params: Params) -> tuple[str, ...]:
    """Return ISO 3166 codes."""
    names = texts(params, "country", LONGEST_OF_A_PLACE)
    codes = {name: country_named(name) for name in names}
    for name, code in codes.items():
        if not code:
            raise BadQuery(_("“%(name)s” is not a country. Enter its name or its code.") % {"name": name[:20]})
    return tuple(dict.fromkeys(codes.values()))


def kilometres(params: Params) -> int | None:
    text = "".join(params.get("within", ())[-1:]).strip()
    if not text:
        return None
    kilometres = read_kilometres(text)
    if kilometres is None:
        raise BadQuery(
            _("“%(text)s” is not a distance. Enter kilometres from 1 to %(most)s.")
            % {"text": text[:20], "most": f"{FARTHEST:,}"}
        )
    return kilometres


def group(params: Params) -> int | None:
    text = "".join(params.get("group", ())[-1:]).strip()
    if not text:
        return None
    number = whole_number(text, MOST_GROUP + 1)
    if number is None or number > MOST_GROUP:
        raise BadQuery(_("“%(text)s” is not a group of the map.") % {"text": text[:20]})
    return number


def read_kilometres(text: str) -> int | None:
    """Return the kilometres in a text, with or without their unit; None if invalid."""
    number = whole_number(text.lower().removesuffix("km"), FARTHEST + 1)
    return number if number and number <= FARTHEST else None


def days(params: Params, first: str, last: str) -> tuple[dt.date | None, dt.date | None]:
    """Return the first and the last day, where given."""
    since, until = _day(params, first), _day(params, last)
    if since and until and since > until:
        raise BadQuery(_("The first day of this search is after its last day."))
    return since, until


def _day(params: Params, name: str) -> dt.date | None:
    text = "".join(params.get(name, ())[-1:]).strip()
    if not text:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = dt.date.min
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadQuery(_("“%(text)s” is not a date. Enter it like 2026-03-31.") % {"text": text[:20]})
    return day
