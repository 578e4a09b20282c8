"""What the page of a picture, the API and tables tell of its colours."""

from dataclasses import dataclass

from search.models import Image
from search.query.filters import Filters
from search.query.labels import palette_labels
from search.query.query import SearchQuery


@dataclass(frozen=True, slots=True)
class ShownSwatch:
    """A colour of a picture: what it is called, "#rrggbb", its share of the picture in percent, the search for it; and
    where it begins, and how far it reaches, in a bar of 100."""

    label: str
    colour: str
    share: int
    query: SearchQuery
    start: str
    width: str


def palette_of(image: Image) -> list[ShownSwatch]:
    """Return the colours that stand for an image, the largest first; none where nobody has looked yet."""
    swatches, labels = image.swatches, palette_labels()
    scale = 100 / max(1, sum(one.share for one in swatches))
    shown, start = [], 0.0
    for one in swatches:
        width = one.share * scale
        query = SearchQuery(filters=Filters(colours=(one.name,)))
        shown.append(ShownSwatch(labels[one.name], one.colour, one.share, query, f"{start:.2f}", f"{width:.2f}"))
        start += width
    return shown
