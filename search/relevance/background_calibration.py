"""Calibrate in the background after uploads, for sites where nobody runs commands."""

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import OperationalError, connection

from search.embedding import Busy, ModelUnavailable
from search.relevance.calibration import calibrate_if_due

logger = logging.getLogger(__name__)

_running = threading.Lock()


def calibrate_soon_if_due() -> threading.Thread | None:
    """Calibrate in a background thread if due. Returns at once and never raises.

    Returns the thread; None if one is running already, which leaves new pictures to the next upload, or if the
    settings disable it.
    """
    return in_background(calibrate_if_due)


def in_background(calibrate: Callable[[], bool]) -> threading.Thread | None:
    """Run `calibrate` in the same background thread."""
    if not settings.CALIBRATE_AFTER_UPLOADS or not _running.acquire(blocking=False):
        return None
    try:
        thread = threading.Thread(target=_run, args=[calibrate], name="calibration", daemon=True)
        thread.start()
    except RuntimeError:  # no thread available
        logger.warning("Not calibrated", exc_info=True)
        _running.release()
        return None
    return thread


def _run(calibrate: Callable[[], bool]) -> None:
    try:
        calibrate()
    except (ModelUnavailable, Busy, OperationalError) as error:
        logger.warning("Not calibrated: %s", error)
    except Exception:
        # Failing is acceptable: searches work without bands.
        logger.warning("Not calibrated", exc_info=True)
    finally:
        try:
            connection.close()
        finally:
            _running.release()
