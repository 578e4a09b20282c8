"""Periodic checks of what takes long, each stored with its time in a row of Measurement.

Servers run them at intervals, in one process at a time: a process claims a check in its row, so that no lock is held
while it runs. `manage.py state --check` runs them where no server does, or at once.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.db import Error
from django.db.models import F, Q
from django.db.models.functions import Now

from search.concurrency.background_threads import keep_doing
from search.embedding import Busy, ModelUnavailable
from search.models import Measurement
from search.objects.storage import StorageUnavailable
from search.state.collection_counts import count_all
from search.state.index_health import index_health
from search.state.outliers import find_outliers
from search.state.storage_check import check_storage

logger = logging.getLogger(__name__)

OFTEN = dt.timedelta(minutes=10)
"""Interval of quick checks, and of checks that work in parts until nothing is left."""
SHARE = 100
"""A quick check that is slow on a large collection rests for this many times its duration."""
GIVEN_UP_AFTER = dt.timedelta(hours=1)
"""Time after which an unfinished check, of a killed process, is started again."""
AT_ONCE = 0.2
"""Seconds: faster counts are repeated whenever the page is opened."""
CONSIDER_EACH = 60.0
"""Seconds between two considerations of a server whether a check is due."""
SETTLED_AFTER = 600.0
"""Seconds after its start from which a server runs slow checks."""


@dataclass(frozen=True, slots=True)
class Check:
    """`take` measures and returns a JSON value. A check that is not `quick` takes minutes on a large collection."""

    take: Callable[[], dict[str, Any]]
    quick: bool = False


def _index() -> dict[str, Any]:
    health = index_health()
    return {
        "searchable": health.searchable,
        "pictures_recall": health.pictures_recall,
        "words_recall": health.words_recall,
        "has_words": health.has_words,
        "index": asdict(health.index) if health.index else None,
        "vectors": health.vectors,
        "rows": health.rows,
        "advice": [[one.reason, one.command] for one in health.advice()],
    }


CHECKS: Mapping[str, Check] = {
    "counts": Check(count_all, quick=True),
    "storage": Check(lambda: check_storage(elsewhere=False)[1]),
    "index": Check(_index),
    "outliers": Check(find_outliers),
}


def look(name: str) -> Measurement:
    """Run a check now and store the result; if it fails, the last result stays and the reason is stored."""
    Measurement.objects.get_or_create(name=name)
    Measurement.objects.filter(name=name).update(tried=Now())
    began = time.monotonic()
    try:
        found = CHECKS[name].take()
    except (StorageUnavailable, ModelUnavailable, Busy) as error:
        Measurement.objects.filter(name=name).update(failed=str(error).strip()[:1_000])
    else:
        keep(name, found, time.monotonic() - began)
    return Measurement.objects.get(name=name)


def keep(name: str, found: dict[str, Any], seconds: float) -> None:
    """Store the result of a check that has just ended."""
    now = {"found": found, "measured": Now(), "tried": Now(), "seconds": seconds, "failed": ""}
    Measurement.objects.update_or_create(name=name, defaults=now)


def count_again() -> None:
    """Repeat the counts now, unless they took long the last time."""
    if Measurement.objects.filter(name="counts", measured__isnull=False, failed="", seconds__lt=AT_ONCE).exists():
        look("counts")


def check_if_due(*, quick: bool) -> list[str]:
    """Run the checks that are due and not claimed by another process, with `quick` only quick ones; return their
    names."""
    known = {one.name: one for one in Measurement.objects.all()}
    taken = []
    for name, one in CHECKS.items():
        if (one.quick or not quick) and (after := _rest(one, known.get(name))) is not None and _claimed(name, after):
            look(name)
            taken.append(name)
    return taken


def _rest(one: Check, known: Measurement | None) -> dt.timedelta | None:
    """Return the time after its last end at which a check is due; None for never."""
    if one.quick:
        return max(OFTEN, dt.timedelta(seconds=SHARE * known.seconds)) if known else OFTEN
    if not settings.LOOK_HOURS:
        return None
    hours = dt.timedelta(hours=settings.LOOK_HOURS)
    left = known.found.get("left") if known and known.found and not known.failed else None
    return min(OFTEN, hours) if left and isinstance(left, int) else hours


def _claimed(name: str, after: dt.timedelta) -> bool:
    """Claim a check if it is due and not claimed; return whether it was claimed."""
    _row, is_first = Measurement.objects.get_or_create(name=name)
    if is_first:
        return True
    is_due = Q(measured=None) | Q(measured__lt=Now() - after)
    is_free = Q(tried__lte=F("measured")) | Q(tried__lt=Now() - GIVEN_UP_AFTER)
    return bool(Measurement.objects.filter(is_due, is_free, name=name).update(tried=Now()))


def keep_checking() -> threading.Event:
    """Run checks in a server's background when due, until the returned event is set."""
    began = time.monotonic()

    def consider() -> None:
        try:
            check_if_due(quick=time.monotonic() < began + SETTLED_AFTER)
        except Error:
            raise
        except Exception:  # background work must not end
            logger.exception("A periodic check failed")

    return keep_doing(consider, CONSIDER_EACH, "state", "The periodic checks could not run")
