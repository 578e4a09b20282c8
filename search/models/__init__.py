"""The tables, one concept a file."""

from search.models.calibration import Calibration
from search.models.curation import OwedDeletion, Report
from search.models.image import Image
from search.models.queries import QueryPicture

__all__ = ["Calibration", "Image", "OwedDeletion", "QueryPicture", "Report"]
