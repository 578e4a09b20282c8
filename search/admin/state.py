"""The state of the collection: counts, backlogs and problems."""

from dataclasses import dataclass

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from search.admin.run_log import state_name
from search.concurrency import command_processes
from search.models import Run
from search.state.all_sections import sections
from search.state.figures_and_sections import Figure
from search.state.growth_plot import plot_of
from search.state.periodic_checks import count_again, look
from search.state.search_statistics import most_unanswered, write

WORDS_SHOWN = 100
_RUN_STATES = {Run.RUNNING, Run.INTERRUPTED, *Run.Outcome.values}
_REPAIRS = {"reconcile": ("--repair",)}
"""Repairs that can be started here, by commands that are safe to run at any time."""


@dataclass(frozen=True)
class Shown:
    """A figure, formatted for the page."""

    figure: Figure
    text: str
    href: str


def may_see(request: HttpRequest) -> bool:
    return request.user.has_perm("search.change_image")


def state_view(request: HttpRequest) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if not may_see(request):
        raise PermissionDenied
    write()  # the counts of this process, which may be the only one
    count_again()  # recent decisions show at once
    state = sections()
    growth = next((one.extra.get("growth") for one in state if one.name == "pictures"), None)
    context = {
        **admin.site.each_context(request),
        "title": _("State"),
        "sections": [(section, [_shown(figure) for figure in section.figures]) for section in state],
        "wrong": [_shown(figure) for section in state for figure in section.wrong],
        "unknown": [section for section in state if not section.is_known],
        "plot": plot_of(growth),
        "growth_by": growth["by"] if growth else "",
        "unanswered": _unanswered(),
        "can_repair": any(figure.fix == "manage.py reconcile --repair" for one in state for figure in one.wrong),
    }
    return TemplateResponse(request, "admin/search/state.html", context)


def look_view(request: HttpRequest) -> HttpResponse:
    """Count at once, and start the expensive checks, or a repair of files, in the background."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may_see(request):
        raise PermissionDenied
    try:
        if "repair" in request.POST:
            if not request.user.has_perm("search.delete_image"):  # objects without a row are deleted
                raise PermissionDenied
            command_processes.start_command("reconcile", *_REPAIRS["reconcile"], "--asked-by", str(request.user.pk))
            text = _("The files are being repaired. Progress is shown under Runs, and the result here.")
        else:
            look("counts")
            command_processes.start_command("state", "--check", "storage", "index", "outliers", "--quiet")
            text = _("Counts are up to date. Files, index and outliers are being checked, and appear here in a while.")
    except OSError as error:
        messages.error(request, _("The command could not be started: %(reason)s") % {"reason": error})
    else:
        messages.success(request, text)
    return redirect("admin:state")


def _unanswered() -> list[tuple[str, int, str]]:
    """The queries without a strong match, each with its URL."""
    search = reverse("results")
    return [(words, count, f"{search}?{urlencode({'q': words})}") for words, count in most_unanswered(WORDS_SHOWN)]


def _shown(figure: Figure) -> Shown:
    return Shown(figure, shown(figure), _href(figure))


def _href(figure: Figure) -> str:
    if not figure.view or figure.value in (None, 0):
        return ""
    if figure.view == "admin:search_run_change":
        return reverse(figure.view, args=[figure.query])
    if figure.name == "nothing_strong":
        return "#unanswered"
    # A model's name may contain anything; the other values need no quoting.
    name, equals, value = figure.query.partition("=")
    query = f"?{urlencode({name: value})}" if equals else ""
    return reverse(figure.view) + query


def shown(figure: Figure) -> str:
    """Return a figure's value, formatted."""
    value = figure.value
    if value is None:
        return "–" if figure.note else _("not checked")
    if isinstance(value, str):
        return state_name(value) if value in _RUN_STATES and value else value
    if figure.unit == "bytes":
        return filesizeformat(value)
    if figure.unit == "share":
        return f"{value:.1%}"
    return f"{value:,}"
