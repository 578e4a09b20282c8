"""How good a similarity is: what unrelated pictures score in this collection, and the bands that follow from it.

Calibration measures it, by itself after pictures were added; `evaluation` tells how often the bands are right.
"""

from search.relevance.background import calibrate_soon_if_due
from search.relevance.bands import Band
from search.relevance.calibration import CalibrationReport, calibrate, calibrate_if_due, is_due

__all__ = ["Band", "CalibrationReport", "calibrate", "calibrate_if_due", "calibrate_soon_if_due", "is_due"]
