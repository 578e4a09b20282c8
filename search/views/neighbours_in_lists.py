"""The previous and next image in a list that is no search: an album, a shared set, the timeline.

The URL of the image page names the list: `?in=album-12`, `?in=set-<id>`, `?in=timeline`.
"""

import uuid
from collections.abc import Iterable

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from search.http.id_parsing import row_id, uuid_of
from search.models import Album, AlbumImage, Image, PictureSet
from search.query.selection import images_in_order
from search.retrieval.timeline import in_time
from search.views.neighbours import Beside

ALBUM_PAGE = 60
"""Pictures of an album per page."""
TIMELINE = "timeline"


def album_mark(album: Album) -> str:
    return f"album-{album.pk}"


def shared_album_mark(album: Album) -> str:
    return f"shared-{album.token}"


def set_mark(shared: PictureSet) -> str:
    return f"set-{shared.pk}"


def lead_on(images: Iterable[Image], mark: str) -> None:
    """Set on each image the query string of its list, so that its page links to neighbours in it."""
    for image in images:
        image.found_by = f"in={mark}"


def beside_in_list(request: HttpRequest, image: Image) -> Beside | None:
    """Return the neighbours of `image` in the list that the URL names; None for no list, one that the user may not
    see, or one without the image."""
    mark = request.GET.get("in", "")
    kind, _dash, key = mark.partition("-")
    if kind == "album":
        album = Album.objects.visible_to(request.user).filter(pk=row_id(key) or 0).first()
        return _in_album(request, image, album, album.get_absolute_url(), mark) if album else None
    token = uuid_of(key)
    if kind == "shared" and token:
        album = Album.objects.opened_by_link(token, request.user).first()
        return _in_album(request, image, album, album.shared_url(), mark) if album else None
    if kind == "set" and token:
        return _in_set(image, token)
    return _in_time(image) if mark == TIMELINE else None


def _address(image_id: uuid.UUID | None, mark: str) -> str:
    return f"{reverse('image', args=[image_id])}?in={mark}" if image_id else ""


def _in_album(request: HttpRequest, image: Image, album: Album, address: str, mark: str) -> Beside | None:
    seen = AlbumImage.objects.filter(album=album, image__in=Image.objects.visible_to(request.user))
    place = seen.filter(image=image.pk).values_list("position", flat=True).first()
    if place is None:
        return None
    before = seen.filter(Q(position__lt=place) | Q(position=place, image_id__lt=image.pk))
    after = seen.filter(Q(position__gt=place) | Q(position=place, image_id__gt=image.pk))
    passed = before.count()
    page = passed // ALBUM_PAGE + 1
    ids = "image_id"
    return Beside(
        previous=_address(before.order_by("-position", "-image_id").values_list(ids, flat=True).first(), mark),
        next=_address(after.order_by("position", "image_id").values_list(ids, flat=True).first(), mark),
        back=address + (f"?page={page}" if page > 1 else ""),
        back_to=album.title,
        number=passed + 1,
        found=passed + 1 + after.count(),
    )


def _in_set(image: Image, key: uuid.UUID) -> Beside | None:
    shared = PictureSet.objects.filter(pk=key).first()
    ids = [one.pk for one in images_in_order(shared.images)] if shared else []
    if shared is None or image.pk not in ids:
        return None
    place, mark = ids.index(image.pk), set_mark(shared)
    return Beside(
        previous=_address(ids[place - 1] if place else None, mark),
        next=_address(ids[place + 1] if place + 1 < len(ids) else None, mark),
        back=shared.get_absolute_url(),
        back_to=_("Shared pictures"),
        number=place + 1,
        found=len(ids),
    )


def _in_time(image: Image) -> Beside | None:
    taken = image.captured and image.captured.taken
    if not taken:
        return None
    later, earlier = in_time(image.pk, taken)
    return Beside(
        previous=_address(later, TIMELINE),
        next=_address(earlier, TIMELINE),
        back=f"{reverse('timeline')}?at={taken:%Y-%m}",
        back_to=_("Timeline"),
    )
