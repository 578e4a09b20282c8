"""Images and results as API responses."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from search.api import schemas
from search.embedding import active_model
from search.facets import Facet
from search.models import Capture, Image
from search.models.accepted_models import accepted_names
from search.models.privacy import tell_visibility
from search.objects import storage
from search.objects.renditions import thumbnail_urls
from search.query import SearchQuery
from search.relevance import Band
from search.retrieval import ResultPage
from search.views.images import may_see_places
from search.views.places import PlaceShown


def search_url(request: HttpRequest, query: SearchQuery) -> str:
    return request.build_absolute_uri(f"{reverse('api:search')}?{query.to_url()}".removesuffix("?"))


def search_answer(request: HttpRequest, results: ResultPage) -> schemas.SearchAnswer:
    small = thumbnail_urls(results.images)
    tell_visibility(results.images)
    return schemas.SearchAnswer(
        found=results.found,
        strong=results.strong,
        strong_is_least=results.strong_is_least,
        page=results.query.page,
        pages=results.pages,
        results=[
            schemas.Result(
                **{**_listed_fields(request, image, small[str(image.id)]), "page": _page(request, image)},
                similarity=image.similarity,
                band=Band(image.band) if image.band else None,
                found_by_words=image.by_words,
                part=_part(image),
            )
            for image in results.images
        ],
        facets=[_facet(request, facet) for facet in results.facets_shown(places=may_see_places(request))],
        next=search_url(request, results.next) if results.next else None,
        previous=search_url(request, results.previous) if results.previous else None,
    )


def images_in_lists(request: HttpRequest, images: Sequence[Image]) -> list[schemas.ImageOut]:
    small = thumbnail_urls(images)
    tell_visibility(images)
    return [schemas.ImageOut(**_listed_fields(request, image, small[str(image.id)])) for image in images]


def _page(request: HttpRequest, image: Image) -> str:
    """Return the URL of the image's page; if a part of the picture matched, the page outlines it."""
    return request.build_absolute_uri(image.get_absolute_url() + image.page_query)


def _part(image: Image) -> schemas.PartOut | None:
    if image.part is None:
        return None
    left, top, width, height = image.part.shares
    return schemas.PartOut(left=left, top=top, width=width, height=height)


def image_details(request: HttpRequest, image: Image) -> schemas.ImageDetails:
    small = thumbnail_urls([image])[str(image.id)]
    tell_visibility([image])
    return schemas.ImageDetails(
        **_listed_fields(request, image, small),
        **_captured(image, with_place=may_see_places(request)),
        description=image.description,
        colours=[schemas.Swatch(**one._asdict()) for one in image.swatches],
        found_by_colours=image.colour_names,
        byte_size=image.byte_size,
        uploader=image.uploader.get_username() if image.uploader else None,
        searchable=(bool(image.visibility) or not image.hidden)
        and image.embedding_model in accepted_names(active_model()),
        updated=image.updated,
        download=request.build_absolute_uri(reverse("download", args=[image.id])),
        more_like_this=search_url(request, SearchQuery().more_like(image.id)),
    )


def _captured(image: Image, *, with_place: bool) -> Mapping[str, Any]:
    capture = image.captured or Capture()
    return {
        "taken": f"{capture.taken.isoformat()}{capture.zone}" if capture.taken else None,
        "taken_from": capture.taken_from or None,
        **{
            name: getattr(capture, name)
            for name in ("camera", "lens", "focal_length", "aperture", "exposure", "iso", "rating")
        },
        **_place(capture if with_place else Capture()),
    }


def _place(capture: Capture) -> Mapping[str, Any]:
    place = capture.place
    return {
        "latitude": capture.latitude,
        "longitude": capture.longitude,
        "country": place.country if place else None,
        "region": (place.region or None) if place else None,
        "town": (place.town or None) if place else None,
        "place": (PlaceShown(capture).name or None) if place else None,
    }


def _listed_fields(request: HttpRequest, image: Image, small: str) -> Mapping[str, Any]:
    # Larger copies are made by our own view on first request, so these URLs are never the storage's.
    others = {
        longest: reverse("rendition", args=[image.id, longest])
        for longest in storage.WIDTHS
        if longest != storage.THUMBNAIL
    }
    urls = {storage.THUMBNAIL: small, **others}
    return {
        "id": image.id,
        "title": image.title,
        "hidden": image.hidden,
        "visibility": (image.visibility or "curators") if image.hidden else "public",
        "tags": image.tags,
        "author": image.author,
        "licence": image.licence,
        "source_link": image.source_link,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "orientation": image.orientation,
        "size": image.size,
        "dominant_colour": image.dominant_colour,
        "colour": image.colour,
        "created": image.created,
        "url": request.build_absolute_uri(reverse("api:image", args=[image.id])),
        "page": request.build_absolute_uri(image.get_absolute_url()),
        "thumbnails": {str(longest): request.build_absolute_uri(url) for longest, url in urls.items()},
        "thumbnails_end": storage.end_of(small),
    }


def _facet(request: HttpRequest, facet: Facet) -> schemas.Facet:
    return schemas.Facet(
        name=facet.name,
        label=facet.label,
        choices=[
            schemas.Choice(
                value=choice.value,
                label=choice.label,
                count=choice.count,
                chosen=choice.chosen,
                search=search_url(request, choice.query),
            )
            for choice in facet.choices
        ],
    )
