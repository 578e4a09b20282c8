"""Calibrating beside the work of the site, for those who only ever add pictures in the browser."""

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import OperationalError, connection

from search.embedding import Busy, ModelUnavailable
from search.relevance.calibration import calibrate_if_due

logger = logging.getLogger(__name__)

_at_it = threading.Lock()


def calibrate_soon_if_due() -> threading.Thread | None:
    """Look in a thread of its own whether to calibrate, and do it; returns at once, and never fails.

    One such thread at a time: what is added meanwhile counts at the next upload. None if one is at it already, or
    the settings say no.
    """
    return in_background(calibrate_if_due)


def in_background(calibrate: Callable[[], bool]) -> threading.Thread | None:
    """The same with another way to look and do."""
    if not settings.CALIBRATE_AFTER_UPLOADS or not _at_it.acquire(blocking=False):
        return None
    try:
        thread = threading.Thread(target=_run, args=[calibrate], name="calibration", daemon=True)
        thread.start()
    except RuntimeError:  # no thread can be had
        logger.warning("Not calibrated", exc_info=True)
        _at_it.release()
        return None
    return thread


def _run(calibrate: Callable[[], bool]) -> None:
    try:
        calibrate()
    except (ModelUnavailable, Busy, OperationalError) as error:
        logger.warning("Not calibrated: %s", error)
    except Exception:
        # Nobody waits for this; a search without bands is still a search.
        logger.warning("Not calibrated", exc_info=True)
    finally:
        try:
            connection.close()
        finally:
            _at_it.release()
