"""Albums: the list, the page of one, and its editing."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search import curation
from search.curation import ShowTo
from search.http.forms import IN_ITS_OWN_DIRECTION
from search.http.id_parsing import page_number, uuid_of
from search.http.methods import require_http_methods, require_POST, require_safe
from search.models import Album, AlbumImage, Image, Private, Revision, SavedSearch
from search.models.albums import AlbumVisibility, Place, may_keep_albums
from search.models.conflicts import retried
from search.models.querysets import ImageQuerySet
from search.query import SearchQuery
from search.query.filters import Filters
from search.text.numbers import whole_number
from search.views import picture_actions
from search.views.errors import error_page
from search.views.images import rights
from search.views.neighbours_in_lists import ALBUM_PAGE, album_mark, lead_on
from search.views.picture_sets import zip_response
from search.views.searching import WHAT_IS_ASKED_FOR

PER_PAGE = ALBUM_PAGE
ARRANGED_AT_ONCE = 300
"""Maximum of pictures on a page for rearranging."""
ALBUMS_PER_PAGE = 48
MOST_IN_A_ZIP = 2_000


class AlbumForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Album
        fields = ("title", "description", "visibility")
        widgets = {  # noqa: RUF012 - as in Django
            "title": forms.TextInput(attrs={"autocomplete": "off", **IN_ITS_OWN_DIRECTION}),
            "description": forms.Textarea(attrs={"rows": 3, **IN_ITS_OWN_DIRECTION}),
        }
        help_texts = {  # noqa: RUF012
            "visibility": gettext_lazy(
                "This applies to the album itself. Its pictures stay visible to everyone who can see them elsewhere."
            )
        }


class EditAlbumForm(AlbumForm):
    """With the option to give its pictures the same visibility."""

    pictures_too = forms.BooleanField(
        label=gettext_lazy("Apply this to the pictures in the album that I may change"),
        required=False,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not Private.may_be():
            del self.fields["pictures_too"]

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        cleaned.setdefault("pictures_too", False)
        if cleaned["pictures_too"] and cleaned.get("visibility") == AlbumVisibility.LINK:
            # Seen by everybody, they would be found by everybody, too.
            self.add_error("pictures_too", _("Only albums have a link. Set who can see the pictures separately."))
        return cleaned


def _show_pictures_to(request: HttpRequest, album: Album, visibility: str) -> None:
    """Set the visibility of those pictures of an album that the user may change; report how many."""
    ids = list(images_of(request, album).order_by().values_list("pk", flat=True))
    try:
        ids = list(picture_actions.allowed(request, "visibility", ids))
    except picture_actions.NotYours:
        return
    revision = retried(lambda: curation.change(ids, ShowTo(visibility), by=request.user, door=Revision.Door.PAGE))
    count = revision.count
    text = ngettext(
        "The visibility of %(count)s picture was changed.", "The visibility of %(count)s pictures was changed.", count
    )
    undo = f"undo-{revision.pk}" if revision.pk else ""
    messages.success(request, text % {"count": f"{count:,}"}, extra_tags=undo)


def images_of(request: HttpRequest, album: Album) -> ImageQuerySet:
    """The images of an album that the user may see, in its order."""
    images = Image.objects.visible_to(request.user)
    ordered = images.filter(album_entries__album=album).order_by("album_entries__position", "pk")
    return ordered.for_lists()


def _visible(request: HttpRequest, album_id: int) -> Album:
    """Return an album. Raises Http404, also for one that the user may not see, so that its existence stays hidden."""
    return get_object_or_404(Album.objects.visible_to(request.user).select_related("owner"), pk=album_id)


def editable_album(request: HttpRequest, album_id: int) -> Album:
    """Return an album that the user may edit. Raises Http404, and PermissionDenied for a read-only one."""
    album = _visible(request, album_id)
    if not Album.objects.editable_by(request.user).filter(pk=album.pk).exists():
        raise PermissionDenied
    return album


@require_http_methods(["GET", "HEAD", "POST"])
def albums(request: HttpRequest) -> HttpResponse:
    """All albums that the user may see, latest changed first; and the form for a new one."""
    may_keep = may_keep_albums(request.user)
    form = AlbumForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not may_keep:
            raise PermissionDenied
        if form.is_valid():
            form.instance.owner = request.user
            album = form.save()
            messages.success(request, _("The album was created. Select pictures in a search, and add them to it."))
            return HttpResponseRedirect(album.get_absolute_url())
    page = page_number(request)
    start = (page - 1) * ALBUMS_PER_PAGE
    found = list(Album.objects.visible_to(request.user).select_related("owner")[start : start + ALBUMS_PER_PAGE + 1])
    context = {
        "albums": with_covers(request, found[:ALBUMS_PER_PAGE]),
        "previous": page - 1,
        "next": page + 1 if len(found) > ALBUMS_PER_PAGE else 0,
        "form": form,
        "may_keep": may_keep,
        "deleted": curation.deleted_albums(request.user) if may_keep and page == 1 else [],
        "smart": _smart_albums(request) if page == 1 else [],
    }
    response = render(request, "search/albums.html", context, status=400 if form.errors else 200)
    add_never_cache_headers(response)
    return response


def _smart_albums(request: HttpRequest) -> list[tuple[SavedSearch, str]]:
    """Return the user's saved searches with the URLs of their results, latest first."""
    if not request.user.is_authenticated:
        return []
    saved = SavedSearch.objects.filter(user=request.user)[:ALBUMS_PER_PAGE]
    return [(one, f"{reverse('results')}?{one.query}") for one in saved]


@dataclass(frozen=True, slots=True)
class Listed:
    """An album in a list: its number of pictures visible to the user, and its cover, if any."""

    album: Album
    count: int
    cover: Image | None


def with_covers(request: HttpRequest, found: Sequence[Album]) -> list[Listed]:
    """Return albums, each with its number of pictures visible to the user, and its cover: by default the first."""
    images = Image.objects.visible_to(request.user)
    entries = AlbumImage.objects.filter(album__in=found, image__in=images)
    counts = dict(entries.values_list("album").annotate(count=Count("*")).order_by())
    own = AlbumImage.objects.filter(album=OuterRef("pk"), image__in=images).order_by("position", "image_id")
    first = Album.objects.filter(pk__in=[one.pk for one in found]).values_list("pk", Subquery(own.values("image")[:1]))
    firsts = dict(first)
    wanted = {one.cover_id for one in found if one.cover_id} | {key for key in firsts.values() if key}
    there = images.for_lists().in_bulk(wanted)
    return [
        Listed(one, counts.get(one.pk, 0), there.get(one.cover_id) or there.get(firsts.get(one.pk))) for one in found
    ]


@require_safe
def album(request: HttpRequest, album_id: int) -> HttpResponse:
    """The pictures of an album in its order, a page at a time. htmx requests further pages only."""
    shown = _visible(request, album_id)
    may_edit_album = Album.objects.editable_by(request.user).filter(pk=shown.pk).exists()
    more = {
        "download": reverse("download-album", args=[shown.pk]),
        "within": SearchQuery(filters=Filters(albums=(str(shown.pk),))),
        "album_here": shown if may_edit_album else None,
        "link": request.build_absolute_uri(shown.shared_url())
        if may_edit_album and shown.visibility == AlbumVisibility.LINK
        else "",
    }
    return album_page(request, shown, shown.get_absolute_url(), album_mark(shown), more)


def album_page(request: HttpRequest, shown: Album, address: str, mark: str, more: dict[str, Any]) -> HttpResponse:
    """Render a page of an album at this address. `more` is what the whole page needs: the address of its `download`,
    the search `within` it, `album_here` where it may be edited, and its `link`."""
    images = images_of(request, shown)
    page = page_number(request)
    start = (page - 1) * PER_PAGE
    found = list(images[start : start + PER_PAGE + 1])
    lead_on(found, mark)
    is_more = bool(request.htmx) and request.htmx.target == "more"  # type: ignore[attr-defined]
    context: dict[str, Any] = {
        "album": shown,
        "images": found[:PER_PAGE],
        "is_more": is_more,
        "next": f"{address}?page={page + 1}" if len(found) > PER_PAGE else "",
        "previous": f"{address}?page={page - 1}" if page > 1 else "",
        "first": start + 1,
        "query": SearchQuery(),
    }
    if not is_more:
        who = {"who_sees_it": shown.get_visibility_display()}
        context |= {**rights(request), "count": images.order_by().count(), **who, **more}
    template = "search/_partials/album_part.jinja" if is_more else "search/album.jinja"
    response = render(request, template, context, using="jinja2")
    patch_vary_headers(response, WHAT_IS_ASKED_FOR)
    add_never_cache_headers(response)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, album_id: int) -> HttpResponse:
    """Edit its title, description and visibility."""
    changed = editable_album(request, album_id)
    form = EditAlbumForm(request.POST if request.method == "POST" else None, instance=changed)
    if form.is_valid():
        if form.cleaned_data["pictures_too"]:
            _show_pictures_to(request, changed, form.cleaned_data["visibility"])
        # Not save(), which would overwrite a concurrent rearrangement.
        values = {name: form.cleaned_data[name] for name in form.changed_data if name != "pictures_too"}
        if values:
            Album.objects.filter(pk=changed.pk).update(**values)
        messages.success(request, _("The album was changed."))
        return HttpResponseRedirect(changed.get_absolute_url())
    context = {"form": form, "album": Album.objects.get(pk=changed.pk)}
    return render(request, "search/album_edit.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, album_id: int) -> HttpResponse:
    """Delete an album after a confirmation; its pictures stay."""
    gone = editable_album(request, album_id)
    if request.method != "POST":
        context = {"album": gone, "count": gone.entries.count(), "trash_days": settings.TRASH_DAYS}
        return render(request, "search/album_delete.html", context)
    revision = retried(lambda: curation.delete_album(gone, by=request.user, door=Revision.Door.PAGE))
    text = _("The album “%(title)s” was deleted. Its pictures were kept.")
    messages.success(request, text % {"title": gone.title}, extra_tags=f"undo-{revision.pk}" if revision.pk else "")
    return redirect("albums")


def describe_album_revision(revision: Revision) -> str:
    """Describe a revision that deletes or restores an album."""
    is_deleted = revision.given["deleted"]
    text = _("The album “%(title)s” was deleted.") if is_deleted else _("The album “%(title)s” was restored.")
    return text % {"title": revision.given["title"]}


@require_http_methods(["GET", "HEAD", "POST"])
def arrange(request: HttpRequest, album_id: int) -> HttpResponse:
    """Rearrange an album: selected pictures are moved. Works by keyboard and without scripts."""
    arranged = editable_album(request, album_id)
    page = page_number(request)
    address = reverse("arrange-album", args=[arranged.pk])
    if request.method == "POST":
        problem = _moved(request, arranged)
        if problem:
            return error_page(request, 400, problem, _("Go back and try again."))
        return HttpResponseRedirect(f"{address}?page={page}" if page > 1 else address)
    images = images_of(request, arranged)
    start = (page - 1) * ARRANGED_AT_ONCE
    found = list(images[start : start + ARRANGED_AT_ONCE + 1])
    context = {
        "album": arranged,
        "images": found[:ARRANGED_AT_ONCE],
        "first": start + 1,
        "places": Place,
        "previous": page - 1,
        "next": page + 1 if len(found) > ARRANGED_AT_ONCE else 0,
        "chosen": request.GET.getlist("id"),
    }
    response = render(request, "search/album_arrange.html", context)
    add_never_cache_headers(response)
    return response


def _moved(request: HttpRequest, arranged: Album) -> str:
    """Move pictures as the form says; return an error message, or ""."""
    to = request.POST.get("to", "")
    if to == "taken":
        arranged.sort_by_taken()
        return ""
    ids = _ids(request)
    if not ids:
        return _("Choose at least one picture.")
    place: Place | int
    if to in Place.values:
        place = Place(to)
    else:
        number = whole_number(request.POST.get("place", ""), 10**9)
        if to != "place" or number is None:
            return _("Enter the number of the position to move the pictures to.")
        place = number
    arranged.move(ids, place, set(images_of(request, arranged).order_by().values_list("pk", flat=True)))
    return ""


def _ids(request: HttpRequest) -> list[uuid.UUID]:
    ids = [uuid_of(text) for text in request.POST.getlist("id")[:ARRANGED_AT_ONCE]]
    return [one for one in ids if one] if all(ids) else []


@require_POST
def choose_cover(request: HttpRequest, album_id: int) -> HttpResponse:
    """Choose the picture that represents the album in lists."""
    covered = editable_album(request, album_id)
    ids = _ids(request)
    if len(ids) != 1 or not covered.entries.filter(image=ids[0]).exists():
        return error_page(request, 400, _("Choose one picture of the album."), _("Go back and try again."))
    Album.objects.filter(pk=covered.pk).update(cover=ids[0])
    messages.success(request, _("The cover was changed."))
    return HttpResponseRedirect(covered.get_absolute_url())


@require_POST
def download_album(request: HttpRequest, album_id: int) -> HttpResponseBase:
    """A ZIP of its pictures, as downloaded singly, with a table."""
    return zip_of(request, _visible(request, album_id))


def zip_of(request: HttpRequest, taken: Album) -> HttpResponseBase:
    """Return the ZIP of those pictures of an album that the user may see. Raises Http404 if there are none."""
    chosen: QuerySet[Image] = images_of(request, taken).select_related("capture", "palette")
    images = list(chosen[: MOST_IN_A_ZIP + 1])
    if not images:
        raise Http404
    if len(images) > MOST_IN_A_ZIP:
        problem = _("This album has more than %(limit)s pictures, the limit of one ZIP file.")
        advice = _("Select some of them on its page, and download those.")
        return error_page(request, 400, problem % {"limit": f"{MOST_IN_A_ZIP:,}"}, advice)
    return zip_response(request, images, f"album-{taken.pk}")
