"""Whether the bands were ever calibrated: for warnings, and to catch up when a server starts."""

import threading

from django.db import DatabaseError, connection

from search.embedding import active_model, status
from search.models import Image
from search.relevance.background_calibration import in_background
from search.relevance.band_thresholds import measurements
from search.relevance.calibration import LEAST, calibrate_if_due

UNMEASURED = "Thresholds have not been measured with these models: results are not marked as strong or weak."
MEASURE = "manage.py calibrate"

POLL_SECONDS, POLLS = 5.0, 120
"""Seconds between checks whether the model is loaded, and their number: it may have to be downloaded."""


def is_unmeasured() -> bool:
    """Whether the collection is large enough but has no calibration for the active models. Two short queries."""
    if measurements().exists():
        return False
    return len(Image.objects.searchable(active_model()).order_by().values_list("pk")[:LEAST]) >= LEAST


def measure_soon_if_never() -> None:
    """Calibrate in the background if it was never done, as after an upgrade. Returns at once and never raises."""
    in_background(_measure_when_ready)


def _measure_when_ready() -> bool:
    """Calibrate once the text model is loaded: loading it here would compete with searches."""
    pause = threading.Event()
    for _ in range(POLLS):
        if not is_unmeasured():
            return False
        if status()["words"] == "ready":
            return calibrate_if_due()
        connection.close()  # back to the pool, which may be small
        pause.wait(POLL_SECONDS)
    return False


def should_warn() -> bool:
    """The same, but False on database errors, for pages that work without an answer."""
    try:
        return is_unmeasured()
    except DatabaseError:
        return False
