"""Retrying the rejected files of a run from the admin, if the server can reach them."""

import os
import platform

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from search.concurrency import command_processes
from search.ingestion.retrying import TRIED
from search.ingestion.sources.opening import before_magic
from search.models import Run


def obstacle(run: Run) -> str:
    """Return why a run, with its state, can't be retried here, and who can do it; "" if it can."""
    if run.kind == Run.Kind.UPLOAD:
        return _("These files came by upload, and what was not taken was not kept: whoever has them sends them again.")
    if run.kind != Run.Kind.INGEST:
        return _("Run the command again, and it takes what is left: %(command)s") % {
            "command": f"manage.py {run.kind}"
        }
    if run.state == Run.RUNNING:
        return _("It is still under way.")
    if not run.places:
        return _("An earlier version did not keep where this run read.")
    if run.state == Run.Outcome.DONE and not run.files.filter(kind__in=TRIED).exists():
        return _("It left out no file that could be tried again.")
    if Run.objects.filter(retries=run.pk).in_state(Run.RUNNING).exists():
        return _("It is being tried again just now.")
    return "" if _is_in_reach(run) else _away(run)


def _is_in_reach(run: Run) -> bool:
    """Whether this server can see any of the run's places; web and bucket addresses are assumed reachable."""
    return any("://" in place or os.path.lexists(before_magic(place)) for place in run.places)


def _away(run: Run) -> str:
    here = run.machine in ("", platform.node())
    places = {"places": ", ".join(run.places[:3]), "machine": run.machine, "command": command_for(run)}
    if here:
        return _("This server can't see %(places)s. Where it can be seen, run: %(command)s") % places
    return (
        _("The files are on %(machine)s, in %(places)s, which this server can't see. Run there: %(command)s") % places
    )


def command_for(run: Run) -> str:
    return f"manage.py ingest --retry {run.pk}"


def retry_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the retry in the background, and redirect to the list of runs, where it appears."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perm("search.change_image"):
        raise PermissionDenied
    run = Run.objects.with_state().filter(pk=pk).first()
    if run is None:  # it was old, and is removed
        messages.warning(request, _("There is no run %(number)s any more.") % {"number": pk})
        return redirect("admin:search_run_changelist")
    if reason := obstacle(run):
        messages.error(request, reason)
        return redirect("admin:search_run_change", run.pk)
    try:
        command_processes.start_command("ingest", "--retry", str(run.pk), "--asked-by", str(request.user.pk))
    except OSError as error:
        messages.error(request, _("It could not be started: %(reason)s") % {"reason": error})
        return redirect("admin:search_run_change", run.pk)
    messages.success(request, _("Run %(number)s is tried again. It shows here in some seconds.") % {"number": run.pk})
    return redirect("admin:search_run_changelist")
