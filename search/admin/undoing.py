"""Undo buttons in messages and in the history."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.admin.concurrent_edits import busy
from search.curation import Undone, is_of_deletion, undo
from search.models import Revision
from search.models.conflicts import Conflict, retried
from search.views.albums import describe_album_revision

FORM = "undo-change"
"""Id of the form on each admin page that buttons outside of forms submit."""


def undo_button(revision: Revision, label: str = "", *, also_later: bool = False) -> SafeString:
    """Return a button that undoes a revision."""
    return format_html(
        '<button type="submit" class="undo" form="{}" formaction="{}" name="also_later" value="{}">{}</button>',
        FORM,
        reverse("admin:search_revision_undo", args=[revision.pk]),
        "1" if also_later else "",
        label or _("Undo"),
    )


def with_undo(text: str, revision: Revision) -> SafeString | str:
    """Return a message with an undo button, if there is anything to undo."""
    return format_html("{} {}", text, undo_button(revision)) if revision.pk else text


def undo_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo a revision; GET changes nothing."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    revision = get_object_or_404(Revision, pk=pk)
    if isinstance(request.user, AnonymousUser) or not revision.may_be_undone_by(request.user):
        raise PermissionDenied
    also_later = bool(request.POST.get("also_later"))
    try:
        undone = retried(lambda: undo(revision, by=request.user, door=Revision.Door.ADMIN, also_later=also_later))
    except Conflict:
        messages.error(request, busy())
    except Revision.DoesNotExist:
        messages.warning(request, _("This change is too old to undo."))
    else:
        _report(request, revision, undone)
    return HttpResponseRedirect(_back(request))


def _report(request: HttpRequest, revision: Revision, undone: Undone) -> None:
    if undone.was_undone:
        messages.warning(request, _("Someone has already undone this change."))
        return
    # An undo can itself be undone.
    again = undo_button(undone.revision, _("Redo")) if undone.revision.pk else ""
    if is_of_deletion(undone.revision):
        messages.success(request, format_html("{} {}", describe_album_revision(undone.revision), again))
        return
    if undone.count or not undone.kept:
        text = ngettext("%(count)s picture was reverted.", "%(count)s pictures were reverted.", undone.count)
        done = text % {"count": f"{undone.count:,}"}
        messages.success(request, format_html("{} {}", done, again))
    for name, count in undone.kept:
        text = ngettext(
            "%(count)s picture was skipped, because %(name)s changed it later.",
            "%(count)s pictures were skipped, because %(name)s changed them later.",
            count,
        )
        kept = text % {"count": f"{count:,}", "name": name or _("someone else")}
        messages.warning(request, kept)
    if undone.kept:
        button = undo_button(revision, _("Revert those too"), also_later=True)
        messages.warning(request, format_html("{} {}", _("Revert the pictures that were changed again?"), button))
    if undone.gone:
        text = ngettext("%(count)s picture no longer exists.", "%(count)s pictures no longer exist.", undone.gone)
        messages.warning(request, text % {"count": f"{undone.gone:,}"})


def _back(request: HttpRequest) -> str:
    """Return the page that the button was on, by the Referer, else the history."""
    referrer = request.META.get("HTTP_REFERER", "")
    is_ours = url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure())
    path = urlsplit(referrer)
    if is_ours and path.path.startswith(reverse("admin:index")):
        return f"{path.path}?{path.query}".rstrip("?")
    return reverse("admin:search_revision_changelist")
