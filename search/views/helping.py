"""`/search/help/`: the syntax of the search box."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search.http.methods import require_safe
from search.views.images import may_see_hidden, may_see_places

_EXAMPLE = "8d3c2f60-51a4-8e7b-9c0d-2b6f1e4a7c95"


@require_safe
def search_help(request: HttpRequest) -> HttpResponse:
    filters = _filters(places=may_see_places(request), hidden=may_see_hidden(request))
    return render(request, "search/help.html", {"filters": filters})


def _filters(*, places: bool, hidden: bool) -> list[tuple[list[str], str]]:
    """Return examples of filters, each with its meaning."""
    filters = [
        ("taken:2023 taken:2023-07 taken:2023-07-14", _("taken in this year or month, or on this day")),
        (
            "taken:2023-07..2023-09 taken:2020.. taken:..1999",
            _("taken between these dates; either end can be left open"),
        ),
        ("added:2026-03", _("added on these dates")),
        ('tag:holiday tag:"two\u00a0words" -tag:work', _("with this tag; with a minus, without it")),
        ('camera:"X100V" lens:35mm -camera:iphone', _("taken with a camera or lens whose name contains this")),
        ("rating:4", _("with this many stars or more")),
        ("by:ada", _("added by this person")),
        (
            "format:heic orientation:portrait size:large colour:red",
            _("with this format, orientation, size or colour"),
        ),
        (
            "colour:red colour:mostly-blue colour:red+white -colour:green",
            _("containing this colour, mostly of it, containing both, or without it"),
        ),
        ('album:holiday album:"two\u00a0words" -album:work', _("in this album; with a minus, not in it")),
        ("licence:cc0", _("with this licence")),
        ("is:untagged is:untitled is:undescribed is:undated", _("without tags, title, description or date")),
        ("has:tags has:title has:description has:date", _("with tags, title, description or date")),
    ]
    if places:
        filters += [
            (
                "country:korea region:california town:busan in:paris",
                _("taken in this country, region or town, or any of these"),
            ),
            (f"near:{_EXAMPLE} within:10", _("taken within this distance (kilometres) of the picture with this id")),
            ("has:place -has:place", _("with or without a known location")),
        ]
    if hidden:
        filters.append(("is:hidden with:hidden", _("only hidden pictures, or hidden pictures too (for curators)")))
    return [(examples.split(" "), meaning) for examples, meaning in filters]
