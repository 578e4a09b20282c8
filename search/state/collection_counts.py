"""Count the collection: takes some seconds for a million pictures."""

import datetime as dt
from typing import Any

from django.utils import timezone

from search.duplicates.groups import pending_groups
from search.embedding import active_model
from search.models import DuplicatePair, Fingerprint, Image, Report, Tombstone
from search.models.accepted_models import accepted_names
from search.models.sql_statements import fetch_all, fetch_one
from search.state import registry
from search.state.missing_details import lacking

MOST_POINTS = 120
"""Maximum points of the growth plot: days up to this number, otherwise months."""
_LACKED = ("tags", "title", "description", "date", "windows")
_KEPT = "search_image AS its WHERE NOT EXISTS (SELECT FROM search_trashed WHERE image_id = its.id)"
_PICTURES = f"""
SELECT count(*), count(*) FILTER (WHERE hidden), coalesce(sum(byte_size), 0)::bigint FROM {_KEPT}
"""  # noqa: S608 - constants
_MODELS = f"""
SELECT embedding_model, count(*) FROM {_KEPT} AND embedding_model > '' GROUP BY 1 ORDER BY 2 DESC
"""  # noqa: S608
_TRASH = """
SELECT count(*), coalesce(sum(byte_size), 0)::bigint FROM search_trashed JOIN search_image ON id = image_id
"""
_GROWTH = f"""
SELECT (created AT TIME ZONE %s)::date, count(*), sum(byte_size)::bigint FROM {_KEPT} GROUP BY 1 ORDER BY 1
"""  # noqa: S608


def count_all() -> dict[str, Any]:
    """Return counts of pictures outside the trash, of missing details and of pending work."""
    kept = Image.objects.kept()
    pictures, hidden, size = fetch_one(_PICTURES)
    trashed, trashed_bytes = fetch_one(_TRASH)
    accepted = accepted_names(active_model())
    models = fetch_all(_MODELS)
    return {
        "pictures": pictures,
        "hidden": hidden,
        "bytes": size,
        "trashed": trashed,
        "trashed_bytes": trashed_bytes,
        "deleted": Tombstone.objects.count(),
        "models": [[model, count] for model, count in models],
        "other_models": sum(count for model, count in models if model not in accepted),
        "lacks": {name: lacking(kept, name).count() for name in _LACKED},
        "duplicates": {kind: len(pending_groups(kind)) for kind in DuplicatePair.Kind.values},
        "not_compared": kept.filter(fingerprint=None).count() + Fingerprint.objects.filter(is_compared=False).count(),
        "reported": Report.objects.filter(resolved=None, image__trashed=None).values("image").distinct().count(),
        "extra": {name: one.measure() for name, one in registry.counts.items()},
        "growth": _growth(),
    }


def _growth() -> dict[str, Any]:
    """Return the cumulative number of pictures and bytes at the end of each day or month, for existing pictures."""
    days = fetch_all(_GROWTH, [str(timezone.get_current_timezone())])
    by = "day" if len(days) <= 1 or (days[-1][0] - days[0][0]).days < MOST_POINTS else "month"
    points: dict[str, tuple[int, int]] = {}
    pictures = size = 0
    for day, count, its_bytes in days:
        pictures, size = pictures + count, size + its_bytes
        points[_period(day, by)] = pictures, size
    return {"by": by, "points": [[period, *point] for period, point in points.items()]}


def _period(day: dt.date, by: str) -> str:
    return day.isoformat() if by == "day" else day.isoformat()[:7]
