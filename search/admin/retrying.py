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
        return _(
            "These files were uploaded, and rejected files are not kept. The person who has them must "
            "upload them again."
        )
    if run.kind != Run.Kind.INGEST:
        return _("Run the command again to process the remaining files: %(command)s") % {
            "command": f"manage.py {run.kind}"
        }
    if run.state == Run.RUNNING:
        return _("This run is still in progress.")
    if not run.places:
        return _("This run was recorded by an earlier version, which did not store its source.")
    if run.state == Run.Outcome.DONE and not run.files.filter(kind__in=TRIED).exists():
        return _("There are no files to retry.")
    if Run.objects.filter(retries=run.pk).in_state(Run.RUNNING).exists():
        return _("These files are being retried.")
    return "" if _is_in_reach(run) else _away(run)


def _is_in_reach(run: Run) -> bool:
    """Whether this server can see any of the run's places; web and bucket addresses are assumed reachable."""
    return any("://" in place or os.path.lexists(before_magic(place)) for place in run.places)


def _away(run: Run) -> str:
    here = run.machine in ("", platform.node())
    places = {"places": ", ".join(run.places[:3]), "machine": run.machine, "command": command_for(run)}
    if here:
        return (
            _("This server can't access %(places)s. Run this command where they can be accessed: %(command)s") % places
        )
    return (
        _(
            "The files are on %(machine)s, in %(places)s, which this server can't access. Run this "
            "command there: %(command)s"
        )
        % places
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
        messages.warning(request, _("Run %(number)s no longer exists.") % {"number": pk})
        return redirect("admin:search_run_changelist")
    if reason := obstacle(run):
        messages.error(request, reason)
        return redirect("admin:search_run_change", run.pk)
    try:
        command_processes.start_command("ingest", "--retry", str(run.pk), "--asked-by", str(request.user.pk))
    except OSError as error:
        messages.error(request, _("The command could not be started: %(reason)s") % {"reason": error})
        return redirect("admin:search_run_change", run.pk)
    messages.success(
        request, _("Run %(number)s is being retried. The new run appears here in a few seconds.") % {"number": run.pk}
    )
    return redirect("admin:search_run_changelist")
