"""Images side by side in rows: by far the most of a page, so rendered by the faster engine."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from search import storage
from search.jinja import rendered
from search.models import Image
from search.querying import MAX_PARTS, SearchQuery
from search.querying.relevance import Scale
from search.renditions import addresses, thumbnail_urls

register = template.Library()

_NARROWEST, _WIDEST = 0.5, 2.5
SHAPES = 200
"""Proportions that the style sheet knows between 1:1 and 2:1: a frame of 400 pixels is at most one off."""


def shapes() -> str:
    """Return the style sheet of all proportions, `static/css/shapes.css`."""
    rules = [
        f".a{number}{{--aspect:{number / SHAPES:g}}}"
        for number in range(round(_NARROWEST * SHAPES), round(_WIDEST * SHAPES) + 1)
    ]
    lines = ["".join(rules[start : start + 5]) for start in range(0, len(rules), 5)]
    return "\n".join(["/* Width by height of frames. Made by `search.templatetags.tiles.shapes`. */", *lines, ""])


@dataclass(frozen=True, slots=True)
class Tile:
    """An image in a list, with the addresses of its page and thumbnail, and of searches for more and less like it.

    `renditions` are the addresses of the larger sizes, smallest first.
    """

    image: Image
    page: str
    thumbnail: str
    renditions: list[str]
    more: str
    less: str

    @property
    def frame(self) -> float:
        """Width by height of the frame. A strip gets a frame that a row can hold, with room at its sides."""
        return min(max(self.image.width / self.image.height, _NARROWEST), _WIDEST)

    @property
    def shape(self) -> str:
        """The class that tells the style sheet the proportion of the frame: a page may say nothing about its style."""
        return f"a{round(self.frame * SHAPES)}"

    @property
    def srcset(self) -> str:
        """All sizes that differ. The larger ones come from our own view, which makes what is not there yet."""
        longer = max(self.image.width, self.image.height)
        sources = {self._width(storage.THUMBNAIL): self.thumbnail}
        for (smaller, longest), url in zip(pairwise(storage.WIDTHS), self.renditions, strict=True):
            if longer > smaller:
                sources[self._width(longest)] = url
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
def tiles(images: Iterable[Image], eager: int = 0) -> SafeString:
    """`{% tiles images eager=8 %}`: the images, of which `eager` are fetched at once, the others when seen.

    Each leads to those that are like it alone.
    """
    return tiles_in(images, SearchQuery(), None, eager)


def tiles_in(images: Iterable[Image], query: SearchQuery, scale: Scale | None, eager: int) -> SafeString:
    """Return the images as `tiles` does, each of which leads to more and less like it from the search `query`.

    `scale` tells what a similarity means in it.
    """
    return rendered(
        "search/_partials/tiles.jinja",
        tiles=tiles_of(images, query),
        eager=eager,
        asked=not query.is_empty,
        scale_words=_scale_words(scale),
    )


def tiles_of(images: Iterable[Image], query: SearchQuery) -> list[Tile]:
    """Return the tiles of `images` in the search `query`. The addresses of all thumbnails are asked for at once."""
    images = list(images)
    thumbnails = thumbnail_urls(images)
    page = addresses("image")
    renditions = [addresses("rendition", longest) for longest in storage.WIDTHS[1:]]
    more, less = _asking_also(query, "like"), _asking_also(query, "unlike")
    return [
        Tile(
            image,
            page(image.id) + image.page_query,
            thumbnails[str(image.id)],
            [rendition(image.id) for rendition in renditions],
            more and f"{more}{image.id}",
            less and f"{less}{image.id}",
        )
        for image in images
    ]


def _asking_also(query: SearchQuery, name: str) -> str:
    """Return the address of `query` with one part more, up to the id; "" where it can have no more.

    What is said last of equal parts counts, and no result is a part already.
    """
    query = query.replace()  # from its first page on
    if len(query.parts) >= MAX_PARTS:
        return ""
    return f"{reverse('results')}?{urlencode([*query.to_params(), (name, '')])}"


def _scale_words(scale: Scale | None) -> str:
    if scale is None:
        return ""
    words = _("In this search strong matches begin at %(strong)s, related ones at %(related)s.")
    return words % {"strong": f"{scale.strong:.2f}", "related": f"{scale.related:.2f}"}
