"""One image: its page, renditions and download; and what users may do with images."""

import re
import uuid
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.accounts.roles import may_edit_own
from search.embedding import active_model
from search.http.forms import RegionForm, ReportForm
from search.http.methods import require_safe
from search.imaging import UnreadableImage
from search.models import Album, Image, Origin, Private, Trashed
from search.models.accepted_models import accepted_names
from search.models.albums import Visibility, may_keep_albums
from search.models.privacy import tell_visibility
from search.objects import renditions, storage
from search.objects.download_copies import clean_copy, file_stem
from search.query import BadQuery, SearchQuery, crops_of
from search.retrieval import similar_images
from search.tagging.of_picture import rejected_of, suggestions_of
from search.views.errors import error_page
from search.views.neighbours import Beside, beside, more_and_less
from search.views.neighbours_in_lists import beside_in_list
from search.views.places import place_of

SIMILAR = 12
MOST_ALBUMS = 200
"""Maximum of albums offered for adding pictures, latest changed first; others are reached by their pages."""

LABELS = {
    "title": gettext_lazy("Title"),
    "description": gettext_lazy("Description"),
    "author": gettext_lazy("Author"),
    "licence": gettext_lazy("Licence"),
    "source_link": gettext_lazy("Source link"),
}
"""Fields that can be set on many pictures at once."""
FIELDS = tuple(LABELS)


def details_of(image: Image | None) -> list[tuple[str, str, str]]:
    """Return the editable fields of the page: name, label and current value."""
    return [(name, str(label), getattr(image, name) if image else "") for name, label in LABELS.items()]


def visible_image(request: HttpRequest, image_id: uuid.UUID, *, in_trash: bool = False) -> Image:
    """Return an image that the user may see, also by an id that it had before its file changed. Raises Http404; hidden
    images are visible to curators only, private ones to those they are for, and with `in_trash` those in the trash to
    curators."""
    # Only the image page needs vector and capture; its many renditions don't.
    images = Image.objects.select_related("uploader").defer("embedding")
    image = images.filter(pk=image_id).first() or get_object_or_404(images, former_ids=image_id)
    if image.hidden and not _may_see(request, image, in_trash=in_trash):
        raise Http404
    return image


def _may_see(request: HttpRequest, image: Image, *, in_trash: bool = False) -> bool:
    if may_see_hidden(request):
        return in_trash or not _is_trashed(image)
    return Private.shows(image, request.user)


def may_see(request: HttpRequest, image: Image) -> bool:
    """Whether the user may see an existing image."""
    return not image.hidden or _may_see(request, image)


def _is_trashed(image: Image) -> bool:
    return Trashed.objects.filter(pk=image.pk).exists()


def may_see_hidden(request: HttpRequest) -> bool:
    user = request.user
    return user.is_staff and (user.has_perm("search.view_image") or user.has_perm("search.change_image"))


def may_see_places(request: HttpRequest) -> bool:
    """Whether the user may see where pictures were taken, and filter by it."""
    return settings.SHOW_PLACES == "everyone" or may_see_hidden(request)


def may_see_map(request: HttpRequest) -> bool:
    return settings.SHOW_MAP == "everyone" or may_see_hidden(request)


def may_curate(request: HttpRequest) -> bool:
    """Whether the user may change pictures on the pages."""
    return request.user.is_staff and request.user.has_perm("search.change_image")


def may_delete(request: HttpRequest) -> bool:
    return request.user.is_staff and request.user.has_perm("search.delete_image")


def may_edit(request: HttpRequest, image: Image) -> bool:
    """Whether the user may edit this picture: curators and its uploader."""
    return may_curate(request) or (image.uploader_id == request.user.pk and may_edit_own(request.user))


def rights(request: HttpRequest) -> dict[str, Any]:
    """Return what the user may do to pictures on the pages, by the names used in templates."""
    user, curates, deletes = request.user, may_curate(request), may_delete(request)
    edits, albums = curates or may_edit_own(user), may_keep_albums(user)
    return {
        "may_curate": curates,
        "may_delete": deletes,
        "may_edit": edits,
        "may_album": albums,
        "may_change": curates or deletes or edits or albums,
        "visibilities": partial(visibilities_offered, None),
        "albums": partial(albums_to_choose, user) if albums else list,
    }


def may_change(request: HttpRequest) -> bool:
    """Whether the user may change pictures at all."""
    return bool(rights(request)["may_change"])


def albums_to_choose(user: Any) -> list[tuple[int, str]]:
    """Return the albums that the user may add pictures to, latest changed first: ids and titles."""
    return list(Album.objects.editable_by(user).values_list("pk", "title")[:MOST_ALBUMS])


def visibilities_offered(image: Image | None) -> list[tuple[str, str, bool]]:
    """Return the choices of visibility: value, label, and whether it is the image's; empty where private pictures are
    not allowed."""
    if not Private.may_be():
        return []
    now = image and (image.visibility or Visibility.PUBLIC)
    return [(value, str(label), value == now) for value, label in Visibility.choices]


def refuse_query(request: HttpRequest, query: SearchQuery) -> None:
    """Raise BadQuery for a search by place, of hidden pictures, or of a group of the map, without the permission."""
    if query.all_filters.is_by_place and not may_see_places(request):
        raise BadQuery(_("Only curators can search by location here."))
    if query.filters.group is not None and not may_see_map(request):
        raise BadQuery(_("Only curators can see the map here."))
    if query.all_filters.finds_hidden and not may_see_hidden(request):
        raise BadQuery(_("Only curators can search for hidden pictures."))


@require_safe
def image(request: HttpRequest, image_id: uuid.UUID) -> HttpResponse:
    shown = visible_image(request, image_id)
    if shown.pk != image_id:
        # Temporarily: the file may change back.
        return HttpResponseRedirect(f"{shown.get_absolute_url()}?{request.GET.urlencode()}".rstrip("?"))
    query = _found_by(request)
    is_panel = bool(request.htmx) and request.htmx.target == "panel"  # type: ignore[attr-defined]
    part = _part(shown, request.GET.get("window", ""))
    response = image_page(request, shown, part=part, query=query, is_panel=is_panel)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _found_by(request: HttpRequest) -> SearchQuery | None:
    """Return the search in the URL that found the picture; None for none, or an invalid one."""
    try:
        query = SearchQuery.from_params(request.GET)
        refuse_query(request, query)
    except BadQuery:
        return None
    return query if query.to_params() else None


def _part(image: Image, window: str) -> tuple[float, ...] | None:
    """Return the part to outline, in percent of the picture: the window number in the URL."""
    box = image.window_box(int(window)) if re.fullmatch("[1-9]", window, re.ASCII) else None
    return tuple(round(100 * share, 2) for share in box.shares) if box else None


def image_page(
    request: HttpRequest,
    image: Image,
    *,
    status: int = 200,
    query: SearchQuery | None = None,
    is_panel: bool = False,
    **context: object,
) -> HttpResponse:
    """Return the page of an image, found by `query`; with `is_panel` only the panel beside the picture, for the
    lightbox, which knows the neighbours itself."""
    tell_visibility([image])
    is_curator = may_curate(request)
    more, less = more_and_less(image, query)
    ways = Beside() if is_panel else beside_in_list(request, image) or beside(request, image, query)
    context = {
        "image": image,
        "is_panel": is_panel,
        "beside": ways,
        "more_like": more,
        "less_like": less,
        "crops": crops_of(image),
        "visibilities": visibilities_offered(image),
        "place": place_of(image.captured) if may_see_places(request) else None,
        **rights(request),
        "may_edit": may_edit(request, image),
        "in_albums": Album.objects.visible_to(request.user).filter(entries__image=image).order_by("title"),
        "suggested": suggestions_of(image.pk) if is_curator else [],
        "rejected": rejected_of(image.pk) if is_curator else [],
        "details": details_of(image),
        "trash_days": settings.TRASH_DAYS,
        "next_when_gone": ways.next or ways.back or reverse("search"),
        "addresses": Origin.addresses_of(image.pk) if may_see_hidden(request) else [],
        "is_searchable": image.embedding_model in accepted_names(active_model()),
        "similar": similar_images(image, SIMILAR),
        "report_form": ReportForm(),
        "region_form": RegionForm(image),
        **context,
    }
    template = "search/_partials/panel.html" if is_panel else "search/image.html"
    return render(request, template, context, status=status)


@require_safe
def rendition(request: HttpRequest, image_id: uuid.UUID, longest: int) -> HttpResponseBase:
    """A WebP copy without metadata, made on first request; in the trash, for users who may delete."""
    image = visible_image(request, image_id, in_trash=request.user.has_perm("search.delete_image"))
    # The content of an id never changes, but it may become hidden, deleted or redirected to a new version.
    etag = f'"{image.id.hex}-{longest}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        try:
            response = HttpResponse(renditions.read_or_make(image, longest), content_type="image/webp")
        except (storage.MissingObject, UnreadableImage) as error:
            return no_file(request, error)
    response["ETag"] = etag
    if image.hidden:
        patch_cache_control(response, private=True, no_cache=True)
    else:
        patch_cache_control(response, private=True, max_age=24 * 3600)
    return response


@require_safe
def download(request: HttpRequest, image_id: uuid.UUID) -> HttpResponseBase:
    """The picture as uploaded, without the place and device in its metadata."""
    image = visible_image(request, image_id)
    try:
        copy = clean_copy(image)
    except (storage.MissingObject, UnreadableImage) as error:
        return no_file(request, error)
    name = file_stem(image) + copy.extension
    return FileResponse(ContentFile(copy.data), as_attachment=True, filename=name, content_type=copy.mime)


def no_file(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer 404 for a picture whose file is missing or unreadable."""
    problem = (
        _("The file of this picture is missing.")
        if isinstance(error, storage.MissingObject)
        else _("The file of this picture can no longer be read.")
    )
    return error_page(request, 404, problem, _("Inform the site administrator, who may have a copy."))
