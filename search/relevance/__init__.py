"""Relevance bands: how similar unrelated pictures of this collection are to queries, and the thresholds derived from
it.

May import the rooms above it in docs/architecture.md. Verbs: `scale_of` (the bands of a query), `calibrate` (measures
them; runs by itself after uploads), `evaluate` (how often the bands are right).
"""

from search.relevance.background import calibrate_soon_if_due
from search.relevance.bands import Band
from search.relevance.calibration import CalibrationReport, calibrate, calibrate_if_due, is_due

__all__ = ["Band", "CalibrationReport", "calibrate", "calibrate_if_due", "calibrate_soon_if_due", "is_due"]
