"""Error pages, and problem details for programs, for requests that can't be answered now: 503, 409 and 429."""

import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search import decoding
from search.accounts.password_hashing import Crowded
from search.embedding import Busy, Loading, ModelUnavailable
from search.http import body_limits
from search.http.paths import path_of
from search.http.problems import Problem, is_for_programs
from search.limits import TooMany
from search.limits.messages import advice_of, problem_of
from search.models.conflicts import is_conflict, is_overtaken, is_read_only
from search.models.vector_values import WrongVectors
from search.monitoring import event_counters, upgrades
from search.objects import storage
from search.objects.disk_full import no_room
from search.objects.storage import StorageUnavailable

logger = logging.getLogger(__name__)

RETRY = {"Retry-After": "30"}


RETRY_SOON = {"Retry-After": "5"}


_SAFE = {"GET", "HEAD", "OPTIONS"}


def _overtaken_page(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return a 409 response if a concurrent change was first; None for another error."""
    if request.method in _SAFE:
        return None
    if is_conflict(error):
        problem = _("Someone else is changing the same data.")
        advice, code = _("Nothing was changed. Try again in a moment."), "conflict"
    elif is_overtaken(error):
        problem = _("Someone else has changed or deleted this.")
        advice, code = _("Nothing was changed. Go back and check it again."), "overtaken"
    else:
        return None
    # For a stale edit, log the traceback: a missing check could be our bug.
    logger.warning("409 for %s: %s", path_of(request), error, exc_info=error if code == "overtaken" else None)
    if is_for_programs(request):
        return Problem(409, problem, advice, code, headers=RETRY_SOON).to_response()
    page = render(None, "error.html", {"problem": problem, "advice": advice}, status=409)
    page["Retry-After"] = RETRY_SOON["Retry-After"]
    return page


def _too_many_page(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return a response for a rate limit (429) or too many logins at once (503); None for another error. The limiter
    logs it."""
    if isinstance(error, TooMany):
        status, problem, advice, code = 429, problem_of(error), advice_of(error), "too_many"
        retry = {"Retry-After": str(error.seconds)}
    elif isinstance(error, Crowded):
        status, problem, code = 503, _("Too many people are logging in right now."), "no_time"
        advice, retry = _("Try again in a few seconds."), RETRY_SOON
    else:
        return None
    response: HttpResponse
    if is_for_programs(request):
        response = Problem(status, problem, advice, code, headers=retry).to_response()
    else:
        response = render(None, "error.html", {"problem": problem, "advice": advice}, status=status)
        response["Retry-After"] = retry["Retry-After"]
    # Django would log each of them, possibly thousands.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _not_yet(error: Exception) -> tuple[str, str, str, dict[str, str]]:
    """Return problem, advice, the part that is missing, and when to retry."""
    if isinstance(error, decoding.NoDecoder):
        return _("Pictures can't be opened right now."), "", "decoder", RETRY
    if isinstance(error, Loading):
        problem = _("Search is starting.")
    elif isinstance(error, decoding.Busy):
        problem = _("Too many people are sending pictures right now.")
    else:
        problem = _("Too many people are searching right now.")
    return problem, _("Try again in a few seconds."), "time", RETRY_SOON


def _storage_problem(error: Exception) -> tuple[str, str]:
    """Return problem and advice: whether it refuses or does not respond."""
    if storage.is_denied(error):
        problem = _("Pictures can't be stored or read right now.")
        advice = _("The server has no right to write to its folder of pictures, DATA_DIR/media, or to read it.")
    elif storage.refusal(error):
        problem = _("The picture storage refuses this request.")
        advice = _("Check the keys of the object storage, their rights, the bucket, and the clock of this machine.")
    else:
        problem, advice = _("The picture storage does not respond."), ""
    return problem, advice


def unavailable_page(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the response for a part that is unavailable (503), a concurrent change (409) or a rate limit (429).

    None for another error.
    """
    if page := _too_many_page(request, error) or _overtaken_page(request, error):
        return page
    retry = RETRY
    if isinstance(error, (Busy, decoding.Busy, decoding.NoDecoder)):
        problem, advice, part, retry = _not_yet(error)
    elif isinstance(error, (ModelUnavailable, WrongVectors)):
        problem, advice = (
            _("Searching and adding pictures are not available right now, because a model is missing."),
            str(error),
        )
        part = "model"
    elif isinstance(error, body_limits.DiskFull) or (request.method not in _SAFE and no_room(error)):
        problem = _("There is not enough disk space for this upload.")
        advice, part = _("Nothing was added. Try again later, and inform the site administrator."), "disk"
    elif isinstance(error, StorageUnavailable):
        problem, advice, part = *_storage_problem(error), "storage"
        retry = RETRY_SOON  # a hanging storage is retried every other second
    elif isinstance(error, (OperationalError, InterfaceError)):
        # For instance a lock on a whole table during a migration.
        is_busy = is_conflict(error)
        problem = _("The database is busy.") if is_busy else _("The database does not respond.")
        advice, part = "", "database"
    elif is_read_only(error):
        problem, part = _("Nothing can be changed right now."), "database"
        advice = _("The database is read-only: it is a standby server, or default_transaction_read_only is on.")
    elif left_out := upgrades.left_out(error):
        problem, advice, part = _("This site is being updated."), str(left_out), left_out.part
    else:
        return None
    logger.error("503 for %s: %s", path_of(request), error)
    event_counters.unavailable(part)
    if is_for_programs(request):
        return Problem(503, problem, advice, f"no_{part}", headers=retry).to_response()
    is_for_people = part in {"time", "disk"}
    context = {
        "problem": problem,
        "told": advice if is_for_people else "",
        "advice": "" if is_for_people else advice,
        "is_bare": part == upgrades.NotCollected.part,
    }
    # Without the request: its user and session are in the database.
    response = render(None, "503.html", context, status=503)
    response["Retry-After"] = retry["Retry-After"]
    return response
