"""Read access to albums."""

from typing import Annotated, TypeAlias

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_noop
from ninja import Field, Router

from search.api.authentication import Session, Token, anybody
from search.api.schemas import AlbumDetails, AlbumOut, AlbumsAnswer, problems
from search.api.serializers import images_in_lists
from search.models import Album
from search.models.albums import AlbumVisibility
from search.views.albums import ALBUMS_PER_PAGE, PER_PAGE, Listed, images_of, with_covers

router = Router(tags=["albums"], auth=[Token(), Session(), anybody])
_Page: TypeAlias = Annotated[int, Field(ge=1, le=10**6)]


@router.get(
    "/albums",
    url_name="albums",
    operation_id="albums",
    summary=gettext_noop("Albums"),
    description=gettext_noop("The albums that you may see, most recently changed first, 48 per page."),
    response={200: AlbumsAnswer, **problems()},
    openapi_extra={"security": [{}]},
)
def albums(request: HttpRequest, page: _Page = 1) -> AlbumsAnswer:
    start = (page - 1) * ALBUMS_PER_PAGE
    visible = Album.objects.visible_to(request.user).select_related("owner")
    found = list(visible[start : start + ALBUMS_PER_PAGE + 1])
    shown = [_album(request, one) for one in with_covers(request, found[:ALBUMS_PER_PAGE])]
    return AlbumsAnswer(
        albums=shown, next=_page(request, reverse("api:albums"), page + 1) if len(found) > ALBUMS_PER_PAGE else None
    )


@router.get(
    "/albums/{album_id}",
    url_name="album",
    operation_id="album",
    summary=gettext_noop("One album, with its images"),
    description=gettext_noop(
        "The images of the album that you may see, in the order of the album, 60 per page. To search "
        "in the album, use the parameter `album`."
    ),
    response={200: AlbumDetails, **problems(404)},
    openapi_extra={"security": [{}]},
)
def album(request: HttpRequest, album_id: int, page: _Page = 1) -> AlbumDetails:
    found = Album.objects.visible_to(request.user).select_related("owner").filter(pk=min(album_id, 2**62)).first()
    if found is None:
        raise Http404
    start = (page - 1) * PER_PAGE
    images = list(images_of(request, found)[start : start + PER_PAGE + 1])
    address = reverse("api:album", args=[found.pk])
    return AlbumDetails(
        **_album(request, with_covers(request, [found])[0]).dict(),
        images=images_in_lists(request, images[:PER_PAGE]),
        next=_page(request, address, page + 1) if len(images) > PER_PAGE else None,
    )


def _album(request: HttpRequest, one: Listed) -> AlbumOut:
    album = one.album
    return AlbumOut(
        id=album.pk,
        title=album.title,
        description=album.description,
        owner=album.owner.get_username() if album.owner else None,
        visibility=AlbumVisibility(album.visibility),
        count=one.count,
        updated=album.updated,
        url=request.build_absolute_uri(reverse("api:album", args=[album.pk])),
        page=request.build_absolute_uri(album.get_absolute_url()),
    )


def _page(request: HttpRequest, address: str, page: int) -> str:
    return request.build_absolute_uri(f"{address}?page={page}")
