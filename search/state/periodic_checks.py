"""Looks at what takes long to tell, each kept with its time in a row of Measurement.

A server takes them at intervals, one process of all: whoever claims a look in its row takes it, so that no lock is
held meanwhile. `manage.py state --look` takes them where no server runs, or at once.
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

from search.concurrency.background import keep_doing
from search.embedding import Busy, ModelUnavailable
from search.models import Measurement
from search.objects.storage import StorageUnavailable
from search.state.counts import count_all
from search.state.index_health import index_health
from search.state.outliers import find_outliers
from search.state.storage_check import look_through_storage

logger = logging.getLogger(__name__)

OFTEN = dt.timedelta(minutes=10)
"""Between two looks that are quick, and between two that do a part each until nothing is left."""
SHARE = 100
"""A quick look that takes long on a large collection is taken the more rarely: it rests so many times as long."""
GIVEN_UP_AFTER = dt.timedelta(hours=1)
"""A look that was begun and never ended, as its process was killed, is begun again after so long."""
AT_ONCE = 0.2
"""Seconds: what takes no longer is counted whenever somebody looks at it."""
CONSIDER_EACH = 60.0
"""Seconds between two thoughts of a server."""
SETTLED_AFTER = 600.0
"""Seconds after its start from when a server takes looks that take long."""


@dataclass(frozen=True, slots=True)
class Look:
    """`take` measures, and returns what JSON can hold. One that is not `quick` takes minutes of a large collection."""

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


LOOKS: Mapping[str, Look] = {
    "counts": Look(count_all, quick=True),
    "storage": Look(lambda: look_through_storage(elsewhere=False)[1]),
    "index": Look(_index),
    "outliers": Look(find_outliers),
}


def look(name: str) -> Measurement:
    """Take a look now, and keep what it found; one that fails leaves what was found before, and says why it failed."""
    Measurement.objects.get_or_create(name=name)
    Measurement.objects.filter(name=name).update(tried=Now())
    began = time.monotonic()
    try:
        found = LOOKS[name].take()
    except (StorageUnavailable, ModelUnavailable, Busy) as error:
        Measurement.objects.filter(name=name).update(failed=str(error).strip()[:1_000])
    else:
        keep(name, found, time.monotonic() - began)
    return Measurement.objects.get(name=name)


def keep(name: str, found: dict[str, Any], seconds: float) -> None:
    """Write down what a look has found, which has ended just now."""
    now = {"found": found, "measured": Now(), "tried": Now(), "seconds": seconds, "failed": ""}
    Measurement.objects.update_or_create(name=name, defaults=now)


def count_again() -> None:
    """Count now what there is and what waits, for somebody who is looking, unless that took long the last time."""
    if Measurement.objects.filter(name="counts", measured__isnull=False, failed="", seconds__lt=AT_ONCE).exists():
        look("counts")


def look_if_due(*, quick: bool) -> list[str]:
    """Take those looks whose time has come, unless somebody else is at them; return which. With `quick` no others."""
    known = {one.name: one for one in Measurement.objects.all()}
    taken = []
    for name, one in LOOKS.items():
        if (one.quick or not quick) and (after := _rest(one, known.get(name))) is not None and _claimed(name, after):
            look(name)
            taken.append(name)
    return taken


def _rest(one: Look, known: Measurement | None) -> dt.timedelta | None:
    """How long after its last end a look is due; None where that never is."""
    if one.quick:
        return max(OFTEN, dt.timedelta(seconds=SHARE * known.seconds)) if known else OFTEN
    if not settings.LOOK_HOURS:
        return None
    hours = dt.timedelta(hours=settings.LOOK_HOURS)
    left = known.found.get("left") if known and known.found and not known.failed else None
    return min(OFTEN, hours) if left and isinstance(left, int) else hours


def _claimed(name: str, after: dt.timedelta) -> bool:
    """Whether a look is due, and nobody else has begun it: then it is ours."""
    _row, is_first = Measurement.objects.get_or_create(name=name)
    if is_first:
        return True
    is_due = Q(measured=None) | Q(measured__lt=Now() - after)
    is_free = Q(tried__lte=F("measured")) | Q(tried__lt=Now() - GIVEN_UP_AFTER)
    return bool(Measurement.objects.filter(is_due, is_free, name=name).update(tried=Now()))


def keep_looking() -> threading.Event:
    """Take looks in the background of a server when they are due, until the event that is returned is set."""
    began = time.monotonic()

    def consider() -> None:
        try:
            look_if_due(quick=time.monotonic() < began + SETTLED_AFTER)
        except Error:
            raise
        except Exception:  # nobody waits for this
            logger.exception("A look at the state of things failed")

    return keep_doing(consider, CONSIDER_EACH, "state", "The state of things could not be looked at")
