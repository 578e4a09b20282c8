"""Decisions on suggested tags, on the page of a picture."""

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from search.curation.change_kinds import skipped_message
from search.http.id_parsing import row_id
from search.http.methods import require_http_methods
from search.models import Revision, VocabularyTag
from search.models.conflicts import Conflict, retried
from search.tagging.suggestion_decisions import accept, reject, take_back
from search.views.images import may_curate, visible_image


@require_http_methods(["GET", "HEAD", "POST"])
def decide_tag(request: HttpRequest, image_id: uuid.UUID) -> HttpResponse:
    """Accept, reject or reset one suggested tag, given by its key, of one picture."""
    image = visible_image(request, image_id)
    if request.method != "POST":  # reloaded after an error
        return redirect(image)
    if not may_curate(request):
        raise PermissionDenied
    what = next((name for name in ("accept", "reject", "again") if name in request.POST), "")
    tag = get_object_or_404(VocabularyTag, pk=row_id(request.POST.get(what, "")) or 0)
    try:
        retried(lambda: _decide(request, tag, image.pk, what))
    except Conflict:
        messages.error(request, _("Someone else is changing these pictures. Try again in a moment."))
    return redirect(image)


def _decide(request: HttpRequest, tag: VocabularyTag, image_id: uuid.UUID, what: str) -> None:
    if what == "accept":
        revision = accept(tag, [image_id], by=request.user, door=Revision.Door.PAGE)
        text = skipped_message(revision) if revision.full else _("Tagged “%(tag)s”.") % {"tag": tag.name}
        undo = f"undo-{revision.pk}" if revision.pk else ""
        messages.success(request, text, extra_tags=undo)
    elif what == "reject":
        reject(tag, [image_id], by=request.user)
        messages.success(request, _("“%(tag)s” is no longer suggested for this picture.") % {"tag": tag.name})
    else:
        take_back(tag, image_ids=[image_id])
        messages.success(request, _("“%(tag)s” may be suggested for this picture again.") % {"tag": tag.name})
