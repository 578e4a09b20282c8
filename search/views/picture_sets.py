"""A selection of pictures: downloaded as a ZIP, or shared by a link."""

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.http.methods import require_http_methods, require_safe
from search.models import Image, PictureSet
from search.objects.zip_download import zipped
from search.query import SearchQuery
from search.query.selection import BadSelection, Selection, images_in_order
from search.views.errors import error_page
from search.views.images import may_see_places, rights
from search.views.neighbours_in_lists import lead_on, set_mark


@require_http_methods(["GET", "HEAD", "POST"])
def download_selection(request: HttpRequest) -> HttpResponseBase:
    """A ZIP of the pictures, as downloaded singly, with a table."""
    if request.method != "POST":  # reloaded after an error
        return redirect("search")
    try:
        selection = Selection.from_params(request.POST)
    except BadSelection as problem:
        return _refused(request, problem)
    images = selection.images(request.user)
    if not images:
        return _nothing_left(request)
    return zip_response(request, images, f"pictures-{timezone.localdate()}", selection.similarities)


def zip_response(
    request: HttpRequest,
    images: Sequence[Image],
    name: str,
    similarities: Mapping[uuid.UUID, float] = MappingProxyType({}),
) -> HttpResponseBase:
    """Return a ZIP of these images, as downloaded singly, with a table that has their similarities, if any."""

    def link_to(image: Image) -> str:
        return request.build_absolute_uri(image.get_absolute_url())

    archive = zipped(images, similarities, link_to, places=may_see_places(request))
    response = StreamingHttpResponse(archive, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    add_never_cache_headers(response)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def share_selection(request: HttpRequest) -> HttpResponse:
    """Save those of the pictures that everybody may see as a set, and redirect to its page."""
    if request.method != "POST":
        return redirect("search")
    try:
        images = Selection.from_params(request.POST).images()
    except BadSelection as problem:
        return _refused(request, problem)
    if not images:
        return _nothing_left(request)
    creator = request.user if request.user.is_authenticated else None
    return redirect(PictureSet.keep([image.id for image in images], creator))


@require_safe
def picture_set(request: HttpRequest, set_id: uuid.UUID) -> HttpResponse:
    """The pictures of a set, in its order, without those that are gone."""
    shared = get_object_or_404(PictureSet, pk=set_id)
    shared.note_seen()
    images = images_in_order(shared.images)
    lead_on(images, set_mark(shared))
    told = _told_of_set(len(images), len(shared.images) - len(images))
    context = {"images": images, "told": told, "query": SearchQuery(), **rights(request)}
    return render(request, "search/picture_set.jinja", context, using="jinja2")


def _told_of_set(there: int, gone: int) -> list[str]:
    if not there:
        return [_("None of the pictures in this set exist any longer.")]
    exactly = ngettext(
        "%(number)s picture. The address of this page leads to exactly this picture.",
        "%(number)s pictures. The address of this page leads to exactly these pictures, in this order.",
        there,
    )
    missing = ngettext(
        "%(number)s picture of this set no longer exists.",
        "%(number)s pictures of this set no longer exist.",
        gone,
    )
    told = [exactly % {"number": f"{there:,}"}]
    return [*told, missing % {"number": f"{gone:,}"}] if gone else told


def _refused(request: HttpRequest, problem: BadSelection) -> HttpResponse:
    return error_page(request, 400, str(problem), _("Go back and try again."))


def _nothing_left(request: HttpRequest) -> HttpResponse:
    return error_page(
        request,
        404,
        _("None of these pictures exist any longer."),
        _("They may have been removed. Go back and choose others."),
    )
