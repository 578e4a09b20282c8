"""What the templates of the search page ask for: see `search.jinja`."""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils.text import Truncator, capfirst
from django.utils.translation import get_language, get_language_info
from django_htmx.jinja import django_htmx_script, htmx_script
from jinja2 import Environment

from search.forms import PictureForm
from search.jinja import Pages
from search.querying import did_you_mean, ways_out, ways_to_matches
from search.querying.months import by_month
from search.querying.saving import can_be_saved, is_saved
from search.templatetags import pictures, tiles
from search.views import ordering, parts, walls


def environment(**options: Any) -> Environment:
    """Return Jinja for the search page, with what Django's backend asks of it."""
    constants = {
        "language": get_language,
        "languages": _languages,
        "picture_input": _picture_input,
        "htmx_script": htmx_script,
        "django_htmx_script": django_htmx_script,
    }
    made = Pages(constants, **options)
    made.globals |= {
        "active_filters": parts.active_filters,
        "bands_of": ordering.bands_of,
        "bars_of": parts.bars_of,
        "by_month": by_month,
        "can_be_saved": can_be_saved,
        "chips_of": parts.chips_of,
        "details_shown": ordering.details_shown,
        "did_you_mean": did_you_mean,
        "distances_of": parts.distances_of,
        "found_in_all": parts.found_in_all,
        "found_title": parts.found_title,
        "hidden_labels": parts.hidden_labels,
        "is_saved": is_saved,
        "modes_of": ordering.modes_of,
        "more_shown": ordering.more_shown,
        "orders_of": ordering.orders_of,
        "page_numbers": pictures.page_numbers,
        "page_url": pictures.page_url,
        "pages_there_are": parts.pages_there_are,
        "pictures_in_brackets": parts.pictures_in_brackets,
        "quoted": _quoted,
        "search_url": pictures.search_url,
        "sets_of": parts.sets_of,
        "shortened": _shortened,
        "thousands": pictures.thousands,
        "tiles": tiles.tiles_in,
        "unfolded": walls.unfolded,
        "wall_of": walls.wall_of,
        "way_back": pictures.way_back,
        "ways_out": ways_out,
        "ways_to_matches": ways_to_matches,
        "weights": parts.weights,
        "with_filters_open": parts.with_filters_open,
        "without_filters": parts.without_filters,
        "words_of": ordering.words_of,
        "years_of": parts.years_of,
    }
    return made


def _languages() -> tuple[tuple[str, str], ...]:
    """The languages of the site, each with its name in itself."""
    return tuple((code, capfirst(get_language_info(code)["name_local"])) for code, _name in settings.LANGUAGES)


def _picture_input() -> str:
    """The field of a picture to search by."""
    return str(PictureForm()["picture"])


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else Truncator(text).chars(longest)
