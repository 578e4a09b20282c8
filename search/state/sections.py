"""The state, put together: what there is, what waits, and what needs somebody."""

from search.models import Measurement
from search.state import measured, present
from search.state.figures import Section

_SECTIONS = (
    measured.pictures,
    measured.lacking,
    measured.deciding,
    present.vectors,
    measured.storage,
    measured.outliers,
    measured.index,
    present.searches,
    present.runs,
    present.machine,
)


def sections() -> list[Section]:
    """Return the state, section by section: what looks have kept, and what is told at once."""
    known = {one.name: one for one in Measurement.objects.all()}
    return [make(known) for make in _SECTIONS]
