"""What the pages ask of images and searches: where they are found, how they fit a row, how figures are written."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlencode

from django import template
from django.core.paginator import Paginator
from django.template import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from search import storage
from search.imaging import PALETTE
from search.models import Image
from search.querying import MAX_PARTS, PER_PAGE, ResultPage, SearchQuery
from search.renditions import thumbnail_urls

register = template.Library()

_NARROWEST, _WIDEST = 0.5, 2.5


@dataclass(frozen=True)
class Tile:
    """An image in a list, with the address of its thumbnail, and those of searches for more and less like it."""

    image: Image
    thumbnail: str
    more: str
    less: str

    @property
    def frame(self) -> float:
        """Width by height of the frame. A strip gets a frame that a row can hold, with room at its sides."""
        return min(max(self.image.width / self.image.height, _NARROWEST), _WIDEST)

    @property
    def aspect(self) -> str:
        """The frame's, for CSS."""
        return f"{self.frame:.4f}"

    @property
    def srcset(self) -> str:
        """All sizes that differ. The larger ones come from our own view, which makes what is not there yet."""
        longer = max(self.image.width, self.image.height)
        sources = {self._width(storage.THUMBNAIL): self.thumbnail}
        for smaller, longest in pairwise(storage.WIDTHS):
            if longer > smaller:
                sources[self._width(longest)] = reverse("rendition", args=[self.image.id, longest])
        return ", ".join(f"{url} {width}w" for width, url in sources.items())

    @property
    def sizes(self) -> str:
        """How wide the frame will be, roughly: rows are stretched to fill the width."""
        return f"(max-width: 40rem) {33 * self.frame:.0f}vw, {16 * self.frame:.1f}rem"

    def _width(self, longest: int) -> int:
        """Pixels across the frame that a rendition fills; it would be less than its width beside a tall strip."""
        longest = min(longest, max(self.image.width, self.image.height))
        return max(1, round(longest * min(1.0, self.frame)))


@register.simple_tag
def tiles_of(images: Iterable[Image], query: SearchQuery | str) -> list[Tile]:
    """`{% tiles_of results.images query as tiles %}`: asks for the addresses of all thumbnails at once.

    Outside a search, `query` is "", and more and less like an image is asked for by itself.
    """
    images = list(images)
    urls = thumbnail_urls(images)
    more, less = _asking_also(query, "like"), _asking_also(query, "unlike")
    return [
        Tile(image, urls[str(image.id)], more and f"{more}{image.id}", less and f"{less}{image.id}")
        for image in images
    ]


def _asking_also(query: SearchQuery | str, name: str) -> str:
    """Return the address of `query` with one part more, up to the id; "" where it can have no more.

    What is said last of equal parts counts, and no result is a part already.
    """
    query = query.replace() if isinstance(query, SearchQuery) else SearchQuery()
    if len(query.parts) >= MAX_PARTS:
        return ""
    return f"{reverse('results')}?{urlencode([*query.to_params(), (name, '')])}"


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return one of the drawings of img/icons.svg; what it means is said beside it."""
    return format_html(
        '<svg class="icon" width="20" height="20" aria-hidden="true" focusable="false"><use href="{}#{}" /></svg>',
        static("img/icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def way_back(context: Context) -> str:
    """Return the `?next=` that leads back here after logging in; nothing where that would lead to a wrong place."""
    request = context["request"]
    page = context.get("next") or ""
    if request.method == "GET" and request.resolver_match.url_name in ("results", "image", "report", "picture-set"):
        page = request.get_full_path()
    return f"?{urlencode({'next': page})}" if page else ""


@register.simple_tag
def search_url(query: SearchQuery) -> str:
    """Return the address of a search."""
    params = query.to_url()
    return f"{reverse('results')}?{params}" if params else reverse("search")


@register.simple_tag
def page_url(results: ResultPage, page: int) -> str:
    """Return the address of another page of these results."""
    return search_url(results.at_page(page))


@register.simple_tag
def page_numbers(results: ResultPage) -> list[int | None]:
    """Return the first, the last and the pages around this one, with None for those between."""
    pages = Paginator(range(results.found), PER_PAGE)
    numbers = pages.get_elided_page_range(min(results.query.page, results.pages), on_each_side=1, on_ends=1)
    # What stands for the pages between is translated, so it can be told by its type only.
    return [number if isinstance(number, int) else None for number in numbers]


@register.filter
def aspect(image: Image) -> str:
    """Return width by height, for CSS."""
    return f"{image.width / image.height:.4f}"


@register.filter
def width_within(image: Image, longest: int) -> int:
    """Return how many pixels wide a rendition with this longest side is."""
    return max(1, round(image.width * min(1.0, longest / max(image.width, image.height))))


@register.filter
def height_within(image: Image, longest: int) -> int:
    """Return how many pixels high a rendition with this longest side is."""
    return max(1, round(image.height * min(1.0, longest / max(image.width, image.height))))


@register.filter
def thousands(number: int) -> str:
    """Return a count as people read it: 30,000."""
    return f"{number:,}"


@register.filter
def swatch(colour: str) -> str:
    """Return a colour of the palette as CSS writes it."""
    return PALETTE.get(colour, "transparent")
