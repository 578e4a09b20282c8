"""Relevance bands: how similar unrelated pictures are to a query in this collection, and the thresholds that follow.

May import the rooms above it in docs/architecture.md. Verbs: `calibrate`, `calibrate_soon_if_due`;
`band_thresholds.scale_of` for a query; `band_evaluation.evaluate`.
"""

from search.relevance.background_calibration import calibrate_soon_if_due
from search.relevance.band_thresholds import Band
from search.relevance.calibration import CalibrationReport, calibrate, calibrate_if_due, is_due

__all__ = ["Band", "CalibrationReport", "calibrate", "calibrate_if_due", "calibrate_soon_if_due", "is_due"]
