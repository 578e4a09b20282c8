"""The state, put together: what there is, what waits, and what needs somebody."""

from search.models import Measurement
from search.state import current_figures, measured_figures
from search.state.figures import Section

_SECTIONS = (
    measured_figures.pictures,
    measured_figures.lacking,
    measured_figures.deciding,
    current_figures.vectors,
    measured_figures.storage,
    measured_figures.outliers,
    measured_figures.index,
    current_figures.searches,
    current_figures.runs,
    current_figures.machine,
)


def sections() -> list[Section]:
    """Return the state, section by section: what looks have kept, and what is told at once."""
    known = {one.name: one for one in Measurement.objects.all()}
    return [make(known) for make in _SECTIONS]
