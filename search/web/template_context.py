"""Globals of the search page's templates: see `search.rendering.jinja_engine`."""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils.text import Truncator, capfirst
from django.utils.translation import get_language, get_language_info
from django_htmx.jinja import django_htmx_script, htmx_script
from jinja2 import Environment

from search.completion import did_you_mean, relaxations, ways_to_matches
from search.facets.months import by_month
from search.http.forms import PictureForm
from search.http.site_name import site_name
from search.query.saved_searches import can_be_saved, is_saved
from search.rendering.jinja_engine import Pages
from search.templatetags import pictures, tiles
from search.views import result_layout, result_options, search_context


def environment(**options: Any) -> Environment:
    """Return the Jinja environment of the search page, for Django's backend."""
    constants = {
        "language": get_language,
        "languages": _languages,
        "picture_input": _picture_input,
        "site_name": site_name,
        "htmx_script": htmx_script,
        "django_htmx_script": django_htmx_script,
    }
    made = Pages(constants, **options)
    made.globals |= {
        "active_filters": search_context.active_filters,
        "bands_of": result_options.bands_of,
        "bars_of": search_context.bars_of,
        "by_month": by_month,
        "can_be_saved": can_be_saved,
        "chips_of": search_context.chips_of,
        "details_shown": result_options.details_shown,
        "did_you_mean": did_you_mean,
        "distances_of": search_context.distances_of,
        "found_in_all": search_context.found_in_all,
        "found_title": search_context.found_title,
        "hidden_labels": search_context.hidden_labels,
        "is_saved": is_saved,
        "modes_of": result_options.modes_of,
        "more_shown": result_options.more_shown,
        "orders_of": result_options.orders_of,
        "page_numbers": pictures.page_numbers,
        "page_url": pictures.page_url,
        "pages_there_are": search_context.pages_there_are,
        "pictures_in_brackets": search_context.pictures_in_brackets,
        "quoted": _quoted,
        "search_url": pictures.search_url,
        "sets_of": search_context.sets_of,
        "shortened": _shortened,
        "thousands": pictures.thousands,
        "tiles": tiles.tiles_in,
        "unfolded": result_layout.unfolded,
        "wall_of": result_layout.wall_of,
        "way_back": pictures.way_back,
        "relaxations": relaxations,
        "ways_to_matches": ways_to_matches,
        "weights": search_context.weights,
        "with_filters_open": search_context.with_filters_open,
        "without_filters": search_context.without_filters,
        "words_of": result_options.words_of,
        "years_of": search_context.years_of,
    }
    return made


def _languages() -> tuple[tuple[str, str], ...]:
    """The languages of the site, each with its own name."""
    return tuple((code, capfirst(get_language_info(code)["name_local"])) for code, _name in settings.LANGUAGES)


def _picture_input() -> str:
    """The file field of a query picture."""
    return str(PictureForm()["picture"])


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else Truncator(text).chars(longest)
