"""Whether it was ever measured which matches are strong: told to people, and made up for when a server starts."""

import logging

from django.conf import settings
from django.db import DatabaseError

from search.embedding import ModelUnavailable, active_model
from search.evaluation.background import in_background
from search.evaluation.calibration import LEAST, calibrate_if_due
from search.models import Calibration, Image

UNMEASURED = "Which matches are strong has not been measured with these models: no result is called strong or weak."
MEASURE = "manage.py calibrate"

logger = logging.getLogger(__name__)


def is_unmeasured() -> bool:
    """Whether there are enough pictures to measure, and no measurement with the active models. Two short queries.

    Raises ModelUnavailable where the model is a folder that can't be read.
    """
    model = active_model()
    if Calibration.objects.filter(pk=model, text_model=settings.EMBEDDING_TEXT_MODEL).exists():
        return False
    return len(Image.objects.searchable(model).order_by().values_list("pk")[:LEAST]) >= LEAST


def measure_soon_if_never() -> None:
    """Measure in the background what was never measured, as after an upgrade. Returns at once, and never fails."""
    in_background(lambda: calibrate_if_due() if is_unmeasured() else False)


def is_to_be_told() -> bool:
    """The same for a page that goes on without an answer."""
    try:
        return is_unmeasured()
    except (DatabaseError, ModelUnavailable):
        return False
