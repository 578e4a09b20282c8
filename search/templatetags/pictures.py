"""Template tags and filters for images and searches: URLs, sizes and formatted values."""

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from django import template
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.template import Context
from django.urls import get_script_prefix, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from search.models import Capture, Image
from search.query import Region, SearchQuery
from search.query.palettes import ShownSwatch, palette_of
from search.retrieval import PER_PAGE, ResultPage

if TYPE_CHECKING:
    from search.views.neighbours import Beside

register = template.Library()
_LED_BACK_TO = {"results", "image", "report", "picture-set", "albums", "album", "shared-album"}


@register.simple_tag(takes_context=True, name="way_back")
def way_back_from(context: Context) -> str:
    """`{% way_back %}`, for templates of Django's engine."""
    return way_back(context["request"], context.get("next") or "")


def way_back(request: HttpRequest, page: str) -> str:
    """Return the `?next=` that leads back here after logging in, or to `page`; "" where neither applies."""
    known = request.resolver_match.url_name if request.resolver_match else ""
    if request.method == "GET" and known in _LED_BACK_TO:
        page = request.get_full_path()
    return f"?{urlencode({'next': page})}" if page else ""


@register.simple_tag
def search_url(query: SearchQuery) -> str:
    """Return the URL of a search."""
    start, results = _paths(get_script_prefix())
    params = query.to_url()
    return f"{results}?{params}" if params else start


def results_path() -> str:
    """Return `reverse("results")`, sooner."""
    return _paths(get_script_prefix())[1]


@cache
def _paths(_prefix: str) -> tuple[str, str]:
    """The URLs of the start page and of results: a page has a dozen, and Django takes 15 µs for each."""
    return reverse("search"), reverse("results")


def page_url(results: ResultPage, page: int) -> str:
    """Return the URL of another page of these results."""
    return search_url(results.at_page(page))


def page_numbers(results: ResultPage) -> list[int | None]:
    """Return the numbers of the first, the last and the pages around this one, with None for gaps."""
    pages = Paginator(range(results.pages * PER_PAGE), PER_PAGE)
    numbers = pages.get_elided_page_range(min(results.query.page, results.pages), on_each_side=1, on_ends=1)
    # The ellipsis is translated, so only its type identifies it.
    return [number if isinstance(number, int) else None for number in numbers]


@register.filter
def palette(image: Image) -> list[ShownSwatch]:
    """Return the representative colours of an image."""
    return palette_of(image)


@register.filter
def aspect(image: Image) -> str:
    """Return the aspect ratio, for CSS."""
    return f"{image.width / image.height:.4f}"


@register.filter
def width_within(image: Image, longest: int) -> int:
    """Return the width in pixels of a rendition with this longest side."""
    return max(1, round(image.width * min(1.0, longest / max(image.width, image.height))))


@register.filter
def height_within(image: Image, longest: int) -> int:
    """Return the height in pixels of a rendition with this longest side."""
    return max(1, round(image.height * min(1.0, longest / max(image.width, image.height))))


ON_STAGE = 4096
"""Longest side in pixels of a picture on the stage, where there is room: it sets the proportions, not the size."""
SMALL_ON_STAGE = 640
"""Longest side in pixels below which enlarging a picture looks bad."""


class OnStage(NamedTuple):
    """The maximum size of a picture in pixels, and whether it is too small to be enlarged to it."""

    width: int
    height: int
    is_small: bool


@register.simple_tag
def on_stage(image: Image) -> OnStage:
    longer = max(image.width, image.height)
    width, height = (max(1, round(ON_STAGE * side / longer)) for side in (image.width, image.height))
    return OnStage(width, height, longer < SMALL_ON_STAGE)


@register.simple_tag
def stage_position(beside: "Beside") -> str:
    """Return the position of an image among the results; "" where that is unknown."""
    if not beside.number:
        return ""
    return _("%(number)s of %(found)s") % {"number": thousands(beside.number), "found": thousands(beside.found)}


class CropBox(NamedTuple):
    """A crop of an image: its sides in percent, for the form, and an SVG viewBox in pixels."""

    percent: str
    view: str


@register.simple_tag
def crop_box(image: Image, region: Region) -> CropBox:
    left, top, right, bottom = region.pixels_of(image.width, image.height)
    sides = (region.left, region.top, region.width, region.height)
    return CropBox(" ".join(f"{100 * side:g}" for side in sides), f"{left} {top} {right - left} {bottom - top}")


@register.filter
def taken(capture: Capture) -> str:
    """Return when a picture was taken, in local time, marked if it is a guess."""
    if capture.taken is None:
        return ""
    is_day = capture.taken_from != Capture.TakenFrom.CAMERA and capture.taken.time() == dt.time()
    date = date_format(capture.taken, "DATE_FORMAT" if is_day else "DATETIME_FORMAT")
    if capture.is_about:
        source = capture.get_taken_from_display()
        return _("about %(date)s (from %(source)s)") % {"date": date, "source": source}
    return f"{date} ({capture.zone})" if capture.zone else date


@register.filter
def thousands(number: int) -> str:
    """Return a count with separators: 30,000."""
    return f"{number:,}"
