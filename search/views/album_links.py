"""The link of an album: the page that it opens, its ZIP, and a new link."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from search.http.methods import require_POST, require_safe
from search.models import Album
from search.views.albums import album_page, editable_album, zip_of
from search.views.neighbours_in_lists import shared_album_mark


def _opened(request: HttpRequest, token: uuid.UUID) -> Album:
    return get_object_or_404(Album.objects.opened_by_link(token, request.user).select_related("owner"))


@require_safe
def shared_album(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """The page of an album for everybody who has its link, without its search and its editing."""
    shown = _opened(request, token)
    more = {"download": reverse("download-shared-album", args=[token]), "within": None, "album_here": None, "link": ""}
    response = album_page(request, shown, shown.shared_url(), shared_album_mark(shown), more)
    response["X-Robots-Tag"] = "noindex"
    return response


@require_POST
def download_shared(request: HttpRequest, token: uuid.UUID) -> HttpResponseBase:
    """A ZIP of its pictures."""
    return zip_of(request, _opened(request, token))


@require_POST
def renew(request: HttpRequest, album_id: int) -> HttpResponse:
    """Give an album another link; the former one opens nothing from then on."""
    album = editable_album(request, album_id)
    Album.objects.filter(pk=album.pk).update(token=uuid.uuid4())
    messages.success(request, _("The album has a new link. The old link no longer works."))
    return HttpResponseRedirect(album.get_absolute_url())
