"""Whether it was ever measured which matches are strong: told to people, and made up for when a server starts."""

import threading

from django.db import DatabaseError, connection

from search.embedding import active_model, status
from search.models import Image
from search.relevance.background import in_background
from search.relevance.bands import measurements
from search.relevance.calibration import LEAST, calibrate_if_due

UNMEASURED = "Which matches are strong has not been measured with these models: no result is called strong or weak."
MEASURE = "manage.py calibrate"

LOOK_AGAIN, LOOKS = 5.0, 120
"""Seconds between two looks whether the model is loaded, and how many there are: it may have to be downloaded."""


def is_unmeasured() -> bool:
    """Whether there are enough pictures to measure, and no measurement with the active models. Two short queries."""
    if measurements().exists():
        return False
    return len(Image.objects.searchable(active_model()).order_by().values_list("pk")[:LEAST]) >= LEAST


def measure_soon_if_never() -> None:
    """Measure in the background what was never measured, as after an upgrade. Returns at once, and never fails."""
    in_background(_measure_when_ready)


def _measure_when_ready() -> bool:
    """Measure as soon as the model for words is loaded: few may wait for that, and people come first."""
    pause = threading.Event()
    for _ in range(LOOKS):
        if not is_unmeasured():
            return False
        if status()["words"] == "ready":
            return calibrate_if_due()
        connection.close()  # back to the pool, which may have one
        pause.wait(LOOK_AGAIN)
    return False


def is_to_be_told() -> bool:
    """The same for a page that goes on without an answer."""
    try:
        return is_unmeasured()
    except DatabaseError:
        return False
