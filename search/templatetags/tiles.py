"""Images side by side in rows: by far the most of a page, so rendered by the faster engine."""

from collections.abc import Iterable
from enum import StrEnum
from html import escape
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.models import Image
from search.models.albums import Visibility
from search.models.privacy import tell_visibility
from search.objects import storage
from search.objects.renditions import addresses, thumbnail_urls
from search.query import MAX_PARTS, SearchQuery
from search.relevance.bands import Scale
from search.rendering.jinja_engine import rendered
from search.retrieval.highlighting import marks

register = template.Library()

_NARROWEST, _WIDEST = 0.5, 2.5
SHAPES = 200
"""Proportions that the style sheet knows between 1:1 and 2:1: a frame of 400 pixels is at most one off."""


class Look(StrEnum):
    """How large pictures stand: the class of their tiles in `static/css/tiles.css`."""

    PLAIN = ""
    STRONG = "strong"
    FEW = "few"
    QUIET = "quiet"

    @property
    def row(self) -> float:
        """How high its rows are on a desktop at least, in rem."""
        return _ROWS[self]


_ROWS = {Look.PLAIN: 14, Look.STRONG: 18, Look.FEW: 29, Look.QUIET: 12}
_PHONE = {Look.PLAIN: 33, Look.STRONG: 44, Look.FEW: 66, Look.QUIET: 22}
"""How high rows of a look are on a phone, roughly, in hundredths of its width."""

_SEEN_BY = {
    "": (gettext_lazy("Hidden"), gettext_lazy("Hidden: only curators can see it")),
    Visibility.OWN: (gettext_lazy("Private"), gettext_lazy("Private: whoever has added it, and curators, can see it")),
    Visibility.MEMBERS: (gettext_lazy("Members"), gettext_lazy("Everybody with an account can see it")),
}


def shapes() -> str:
    """Return the style sheet of all proportions, `static/css/shapes.css`."""
    rules = [
        f".a{number}{{--aspect:{number / SHAPES:g}}}"
        for number in range(round(_NARROWEST * SHAPES), round(_WIDEST * SHAPES) + 1)
    ]
    lines = ["".join(rules[start : start + 5]) for start in range(0, len(rules), 5)]
    return "\n".join(["/* Width by height of frames. Made by `search.templatetags.tiles.shapes`. */", *lines, ""])


class Tile(NamedTuple):
    """An image in a list, as its template puts it in: each text is HTML already, with what is special in it escaped.

    A page has a thousand of these, and an engine that escapes each of them takes a millisecond for it. A tuple, which
    the template takes apart in this order: to ask for each by its name takes another.
    """

    id: str
    look: str
    page: str
    """The address of its page; `thumbnail` that of the picture, `srcset` those of all its sizes."""
    thumbnail: str
    srcset: str
    shape: str
    """The class that tells the style sheet the proportion of the frame: a page may say nothing about its style."""
    sizes: str
    width: int
    height: int
    placeholder: str
    name: str
    marked: str
    """The name, with what was searched for marked in it."""
    is_untitled: bool
    similarity: str
    """With four decimals, and as it is `shown`; "" outside a search."""
    shown: str
    band: str
    by_words: bool
    by_part: bool
    more: str
    """The addresses of searches for more and less like it; "" where there can be none."""
    less: str
    hidden: bool
    copies: str
    """How many copies of it follow, in words; "" where none do."""
    copy_of: str
    seen_by: str
    """Who sees it, where that is not everybody: in a word, and said out in `seen_by_whom`."""
    seen_by_whom: str


def frame_of(image: Image) -> float:
    """Width by height of the frame. A strip gets a frame that a row can hold, with room at its sides."""
    return min(max(image.width / image.height, _NARROWEST), _WIDEST)


def _srcset(image: Image, frame: float, thumbnail: str, renditions: Iterable[str]) -> str:
    """All sizes that differ. The larger ones come from our own view, which makes what is not there yet."""
    longer = max(image.width, image.height)

    def width(longest: int) -> int:
        """Pixels across the frame that a rendition fills; it would be less than its width beside a tall strip."""
        return max(1, round(min(longest, longer) * min(1.0, frame)))

    sources = {width(storage.THUMBNAIL): thumbnail}
    for (smaller, longest), url in zip(pairwise(storage.WIDTHS), renditions, strict=True):
        if longer > smaller:
            sources[width(longest)] = url
    return ", ".join(f"{url} {pixels}w" for pixels, url in sources.items())


@register.simple_tag
def tiles(images: Iterable[Image], eager: int = 0) -> SafeString:
    """`{% tiles images eager=8 %}`: the images, of which `eager` are fetched at once, the others when seen.

    Each leads to those that are like it alone.
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
    """Return the images as `tiles` does, each of which leads to more and less like it from the search `query`.

    `scale` tells what a similarity means in it, `look` how large they stand. Those behind the first that `fits` aren't
    shown on a phone while there is a button for the rest.
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
    """Return the tiles of `images` in the search `query`. The addresses of all thumbnails are asked for at once."""
    images = list(images)
    thumbnails = thumbnail_urls(images)
    tell_visibility(images)
    page = addresses("image")
    renditions = [addresses("rendition", longest) for longest in storage.WIDTHS[1:]]
    more, less = escape(_asking_also(query, "like")), escape(_asking_also(query, "unlike"))

    fits = len(images) if fits is None else fits

    def tile(image: Image, number: int) -> Tile:
        key, frame, similarity = str(image.id), frame_of(image), image.similarity
        thumbnail = thumbnails[key]
        return Tile(
            id=key,
            page=page(image.id) + escape(image.page_query),
            look=(f" tile-{look}" if look else "") + (" tile-over" if number >= fits else ""),
            thumbnail=escape(thumbnail),
            srcset=escape(_srcset(image, frame, thumbnail, (rendition(image.id) for rendition in renditions))),
            shape=f"a{round(frame * SHAPES)}",
            # How wide the frame will be, roughly: rows are stretched to fill the width.
            sizes=f"(max-width: 40rem) {_PHONE[look] * frame:.0f}vw, {1.14 * look.row * frame:.1f}rem",
            width=image.width,
            height=image.height,
            placeholder=escape(image.placeholder),
            name=(name := escape(image.name)),
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
            copies=escape(_copies_told(image.copies)) if image.copies else "",
            copy_of=str(image.copy_of or ""),
            seen_by=escape(str(_SEEN_BY[image.visibility][0])) if image.hidden else "",
            seen_by_whom=escape(str(_SEEN_BY[image.visibility][1])) if image.hidden else "",
        )

    return [tile(image, number) for number, image in enumerate(images)]


def _copies_told(count: int) -> str:
    return ngettext("%(count)s more copy", "%(count)s more copies", count) % {"count": count}


def _marked(image: Image, query: SearchQuery) -> str:
    title, html, end = image.title, "", 0
    for start, stop in marks(title, query):
        html += f"{escape(title[end:start])}<mark>{escape(title[start:stop])}</mark>"
        end = stop
    return html + escape(title[end:])


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
