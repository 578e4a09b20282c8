"""A picture's colours for its page."""

from dataclasses import dataclass

from search.models import Image
from search.query.filters import Filters
from search.query.labels import palette_labels
from search.query.query import SearchQuery


@dataclass(frozen=True, slots=True)
class ShownSwatch:
    """A colour of a picture: its name, "#rrggbb", its share in percent, and the search for it; `start` and `width` in
    a bar of 100."""

    label: str
    colour: str
    share: int
    query: SearchQuery
    start: str
    width: str


def palette_of(image: Image) -> list[ShownSwatch]:
    """Return the swatches of an image, largest first; none if it has not been analysed yet."""
    swatches, labels = image.swatches, palette_labels()
    scale = 100 / max(1, sum(one.share for one in swatches))
    shown, start = [], 0.0
    for one in swatches:
        width = one.share * scale
        query = SearchQuery(filters=Filters(colours=(one.name,)))
        shown.append(ShownSwatch(labels[one.name], one.colour, one.share, query, f"{start:.2f}", f"{width:.2f}"))
        start += width
    return shown
