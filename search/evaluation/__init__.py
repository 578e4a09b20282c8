"""What unrelated pictures score in the collection, and whether what is called strong for it is right."""

from search.evaluation.background import calibrate_soon_if_due
from search.evaluation.calibration import CalibrationReport, calibrate, calibrate_if_due, is_due

__all__ = ["CalibrationReport", "calibrate", "calibrate_if_due", "calibrate_soon_if_due", "is_due"]
