"""Responses for overload and broken requests; the server renders and caches each once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search.http.problems import Problem, is_for_programs

REFUSED = "imagesearch.refused"
"""WSGI environ key: why the request is refused."""
_RETRY_AFTER = {"Retry-After": "5"}


def refusal(request: HttpRequest, why: str) -> HttpResponse:
    if why == "slow":
        problem = _("Your browser sent the data too slowly, and the request timed out.")
        return _answer(request, 408, problem, _("Try again with a better connection."), "too_slow")
    if why == "cut":
        problem = _("The data you sent arrived damaged or incomplete.")
        return _answer(request, 400, problem, _("Go back and send it again."), "")
    problem = _("Too many people are using this site right now.")
    if why == "stopping":
        problem = _("The server is being restarted.")
    return _answer(request, 503, problem, _("Try again in a few seconds."), "no_time", _RETRY_AFTER)


def _answer(
    request: HttpRequest, status: int, problem: str, advice: str, code: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    if is_for_programs(request):
        return Problem(status, problem, advice, code, headers=headers or {}).to_response()
    page = render(None, "error.html", {"problem": problem, "advice": advice}, status=status)
    for name, value in (headers or {}).items():
        page[name] = value
    return page
