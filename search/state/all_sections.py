"""The state, section by section."""

from search.models import Measurement
from search.state import current_figures, measured_figures, model_figures
from search.state.figures_and_sections import Section

_SECTIONS = (
    measured_figures.pictures,
    measured_figures.lacking,
    measured_figures.deciding,
    current_figures.vectors,
    model_figures.models,
    measured_figures.storage,
    measured_figures.outliers,
    measured_figures.index,
    current_figures.searches,
    current_figures.runs,
    current_figures.machine,
)


def sections() -> list[Section]:
    """Return all sections: those measured by periodic checks, and current ones."""
    known = {one.name: one for one in Measurement.objects.all()}
    return [make(known) for make in _SECTIONS]
