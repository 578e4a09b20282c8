"""Tiles of images in rows: by far the most of a page, so rendered by Jinja."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from html import escape
from itertools import chain, islice, pairwise
from typing import NamedTuple
from urllib.parse import urlencode

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.models import Image
from search.models.albums import Visibility
from search.models.privacy import tell_visibility
from search.objects import storage
from search.objects.renditions import addresses, thumbnail_urls
from search.query import MAX_PARTS, SearchQuery
from search.relevance.band_thresholds import Scale
from search.rendering.jinja_engine import rendered
from search.retrieval.highlighting import marks
from search.templatetags.pictures import results_path

register = template.Library()

_NARROWEST, _WIDEST = 0.5, 2.5
SHAPES = 200
"""Aspect ratios in the style sheet between 1:1 and 2:1: a frame of 400 pixels is at most one off."""


class Look(StrEnum):
    """The size of tiles: their class in `static/css/tiles.css`."""

    PLAIN = ""
    STRONG = "strong"
    FEW = "few"
    QUIET = "quiet"

    @property
    def row(self) -> float:
        """Minimum height of its rows on a desktop, in rem."""
        return _ROWS[self]


_ROWS = {Look.PLAIN: 14, Look.STRONG: 18, Look.FEW: 29, Look.QUIET: 12}
_PHONE = {Look.PLAIN: 33, Look.STRONG: 44, Look.FEW: 66, Look.QUIET: 22}
"""Approximate height of a look's rows on a phone, in hundredths of its width."""

_SEEN_BY = {
    "": (gettext_lazy("Hidden"), gettext_lazy("Hidden: only visible to curators")),
    Visibility.OWN: (gettext_lazy("Private"), gettext_lazy("Private: only visible to its uploader and curators")),
    Visibility.MEMBERS: (gettext_lazy("Members"), gettext_lazy("Visible to everyone with an account")),
}


def shapes() -> str:
    """Return the style sheet of all aspect ratios, `static/css/aspect_ratios.css`."""
    rules = [
        f".a{number}{{--aspect:{number / SHAPES:g}}}"
        for number in range(round(_NARROWEST * SHAPES), round(_WIDEST * SHAPES) + 1)
    ]
    lines = ["".join(rules[start : start + 5]) for start in range(0, len(rules), 5)]
    return "\n".join(["/* Width by height of frames. Made by `search.templatetags.tiles.shapes`. */", *lines, ""])


class Tile(NamedTuple):
    """An image in a list, ready for the template: each text is escaped HTML already.

    A page has a thousand of these values, and escaping them in the engine takes a millisecond. A tuple, which the
    template unpacks in this order: access by name takes another.
    """

    id: str
    look: str
    page: str
    """The URL of its page; `thumbnail` is that of the picture, `srcset` those of all its sizes."""
    thumbnail: str
    srcset: str
    shape: str
    """The class of the frame's aspect ratio: the CSP forbids inline styles."""
    sizes: str
    width: int
    height: int
    placeholder: str
    name: str
    marked: str
    """The name, with the words of the query highlighted."""
    is_untitled: bool
    similarity: str
    """With four decimals, and as displayed in `shown`; "" outside a search."""
    shown: str
    band: str
    by_words: bool
    by_part: bool
    more: str
    """The URLs of searches for more and less like it; "" at the limit of query parts."""
    less: str
    hidden: bool
    copies: str
    """The number of folded copies that follow, in words; "" for none."""
    copy_of: str
    seen_by: str
    """Who sees it, where that is not everybody: a word, and a sentence in `seen_by_whom`."""
    seen_by_whom: str


def frame_of(image: Image) -> float:
    """Aspect ratio of the frame. A very long picture gets a frame that fits into a row, with margins."""
    return _aspect(image.width, image.height)


def _aspect(width: int, height: int) -> float:
    return min(max(width / height, _NARROWEST), _WIDEST)


class _Frame(NamedTuple):
    """What depends on the width and height of an image alone: cameras have few of them. `sources` are its sizes that
    differ: the number of a rendition, 0 for the thumbnail, and its width in pixels."""

    shape: str
    sizes: str
    sources: Sequence[tuple[int, int]]


@lru_cache(maxsize=4096)
def _frame(width: int, height: int, look: Look) -> _Frame:
    longer, frame = max(width, height), _aspect(width, height)

    def across(longest: int) -> int:
        """Width in pixels of the frame that a rendition fills; more than its own width for a tall strip."""
        return max(1, round(min(longest, longer) * min(1.0, frame)))

    sources = {across(storage.THUMBNAIL): 0}
    for number, (smaller, longest) in enumerate(pairwise(storage.WIDTHS), start=1):
        if longer > smaller:
            sources[across(longest)] = number
    return _Frame(
        shape=f"a{round(frame * SHAPES)}",
        # The approximate width of the frame: rows are stretched to fill the width.
        sizes=f"(max-width: 40rem) {_PHONE[look] * frame:.0f}vw, {1.14 * look.row * frame:.1f}rem",
        sources=[(number, pixels) for pixels, number in sources.items()],
    )


@register.simple_tag
def tiles(images: Iterable[Image], eager: int = 0) -> SafeString:
    """`{% tiles images eager=8 %}`: the images, the first `eager` of them loaded at once, the others lazily.

    Each links to the search for images like it.
    """
    return tiles_in(images, SearchQuery(), None, eager)


def tiles_in(
    images: Iterable[Image],
    query: SearchQuery,
    scale: Scale | None,
    eager: int,
    look: Look = Look.PLAIN,
    fits: int | None = None,
) -> SafeString:
    """Return the images as `tiles` does, with links for more and less like each from the search `query`.

    `scale` has the relevance thresholds, `look` the size of the tiles. Tiles after the first `fits` are hidden on a
    phone while there is a button for the rest.
    """
    return rendered(
        "search/_partials/tiles.jinja",
        tiles=tiles_of(images, query, look, fits),
        eager=eager,
        asked=not query.is_empty,
        scale_words=escape(_scale_words(scale)),
    )


def tiles_of(
    images: Iterable[Image], query: SearchQuery, look: Look = Look.PLAIN, fits: int | None = None
) -> list[Tile]:
    """Return the tiles of `images` in the search `query`. The URLs of all thumbnails are made in one call."""
    images = list(images)
    thumbnails = thumbnail_urls(images)
    tell_visibility(images)
    page = addresses("image")
    # The larger sizes come from our own view, which makes missing ones.
    larger = [addresses("rendition", longest) for longest in storage.WIDTHS[1:]]
    more, less = escape(_url_with_part(query, "like")), escape(_url_with_part(query, "unlike"))

    fits = len(images) if fits is None else fits
    frames = [_frame(image.width, image.height, look) for image in images]

    def texts(image: Image, key: str, frame: _Frame) -> Iterator[str]:
        """Those to escape."""
        sources = [thumbnails[key], *(rendition(key) for rendition in larger)]
        yield from (image.page_query, image.name, image.placeholder, sources[0])
        yield ", ".join([f"{sources[source]} {pixels}w" for source, pixels in frame.sources])

    keys = [str(image.id) for image in images]
    escaped = iter(_escaped(chain.from_iterable(map(texts, images, keys, frames))))

    def tile(number: int, image: Image, key: str, frame: _Frame) -> Tile:
        similarity = image.similarity
        page_query, name, placeholder, thumbnail, srcset = islice(escaped, 5)
        return Tile(
            id=key,
            page=page(key) + page_query,
            look=(f" tile-{look}" if look else "") + (" tile-over" if number >= fits else ""),
            thumbnail=thumbnail,
            srcset=srcset,
            shape=frame.shape,
            sizes=frame.sizes,
            width=image.width,
            height=image.height,
            placeholder=placeholder,
            name=name,
            marked=_marked(image, query) if image.by_words and image.title else name,
            is_untitled=not image.title,
            similarity="" if similarity is None else f"{similarity:.4f}",
            shown="" if similarity is None else f"{similarity:.2f}",
            band=image.band or "",
            by_words=image.by_words,
            by_part=image.part is not None,
            more=more and f"{more}{key}",
            less=less and f"{less}{key}",
            hidden=image.hidden,
            copies=escape(_copies_label(image.copies)) if image.copies else "",
            copy_of=str(image.copy_of or ""),
            seen_by=escape(str(_SEEN_BY[image.visibility][0])) if image.hidden else "",
            seen_by_whom=escape(str(_SEEN_BY[image.visibility][1])) if image.hidden else "",
        )

    return [tile(number, *one) for number, one in enumerate(zip(images, keys, frames, strict=True))]


def _escaped(texts: Iterable[str]) -> list[str]:
    """Escape all texts at once, in a fifth of the time of each alone. None that the database stores has a NUL."""
    return escape("\0".join(texts)).split("\0")


def _copies_label(count: int) -> str:
    return ngettext("%(count)s more copy", "%(count)s more copies", count) % {"count": count}


def _marked(image: Image, query: SearchQuery) -> str:
    title, html, end = image.title, "", 0
    for start, stop in marks(title, query):
        html += f"{escape(title[end:start])}<mark>{escape(title[start:stop])}</mark>"
        end = stop
    return html + escape(title[end:])


def _url_with_part(query: SearchQuery, name: str) -> str:
    """Return the URL of `query` with one more part, up to the id; "" at the limit of parts.

    Of equal parts the last counts, and no result is a part already.
    """
    query = query.replace()  # from its first page on
    if len(query.parts) >= MAX_PARTS:
        return ""
    return f"{results_path()}?{urlencode([*query.to_params(), (name, '')])}"


def _scale_words(scale: Scale | None) -> str:
    if scale is None:
        return ""
    words = _("In this search, strong matches start at %(strong)s, related ones at %(related)s.")
    return words % {"strong": f"{scale.strong:.2f}", "related": f"{scale.related:.2f}"}
