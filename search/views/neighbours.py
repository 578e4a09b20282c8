"""The previous and next image: in the search in the URL, or else among all, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from search.duplicates.folded_results import fold
from search.embedding import ModelUnavailable
from search.limits.counting import TooMany
from search.limits.searches import count_search
from search.models import Image
from search.models.querysets import ImageQuerySet
from search.models.vector_values import WrongVectors
from search.query import MAX_PARTS, BadQuery, SearchQuery
from search.retrieval import ResultPage, find
from search.retrieval.search_scope import Scope


@dataclass(frozen=True)
class Beside:
    """URLs to the neighbours of an image, "" for none, and `back` to the results, or to the list named `back_to`.
    `number` is its rank among those `found`, from 1; 0 if unknown. `found_as` is the image with its result fields."""

    previous: str = ""
    next: str = ""
    back: str = ""
    back_to: str = ""
    number: int = 0
    found: int = 0
    found_as: Image | None = field(default=None, repr=False)


def lead_back(results: ResultPage) -> None:
    """Set on each image the query string of its page of results."""
    params = results.query.to_url()
    for image in results.images:
        image.found_by = params


def beside(request: HttpRequest, image: Image, query: SearchQuery | None) -> Beside:
    """Return the neighbours of `image` on the page of results of `query`. If it is no longer there, or the search
    fails, there is only the link back."""
    if query is None:
        return _among_all(image)
    back = f"{reverse('results')}?{query.to_url()}"
    try:
        count_search(request, query.texts)
        results = _page(query)
        number = next((n for n, one in enumerate(results.images) if one.pk == image.pk), None)
        if number is None:
            return Beside(back=back)
        before, after = results.images[:number], results.images[number + 1 :]
        return Beside(
            previous=_address(_unfolded(before)[-1:] or _ends(results.previous, -1)),
            next=_address(_unfolded(after)[:1] or _ends(results.next, 0)),
            back=back,
            number=results.first + len(_unfolded(before)),
            found=results.found,
            found_as=results.images[number],
        )
    except (BadQuery, ModelUnavailable, TooMany, WrongVectors):
        return Beside(back=back)


def more_and_less(image: Image, query: SearchQuery | None) -> tuple[str, str]:
    """Return the URLs of the searches for more and for less like `image`; "" where they are not possible."""
    query = (query or SearchQuery()).replace()
    if len(query.parts) >= MAX_PARTS:
        return "", ""
    start, params = f"{reverse('results')}?", query.to_params()
    less = "" if query.is_empty else start + urlencode([*params, ("unlike", str(image.pk))])
    return start + urlencode([*params, ("like", str(image.pk))]), less


def _page(query: SearchQuery) -> ResultPage:
    results = find(query, for_tiles=True)
    fold(results.images)
    lead_back(results)
    return results


def _unfolded(images: Sequence[Image]) -> Sequence[Image]:
    """Return the images without folded copies, as on the page of results."""
    return [image for image in images if image.copy_of is None]


def _ends(query: SearchQuery | None, end: int) -> Sequence[Image]:
    """Return the last image of the previous page, or the first of the next."""
    images = _unfolded(_page(query).images) if query else []
    return [images[end]] if images else []


def _address(images: Sequence[Image] | ImageQuerySet) -> str:
    return images[0].get_absolute_url() + images[0].page_query if images else ""


def _among_all(image: Image) -> Beside:
    images = Scope(SearchQuery(), private=True).images.only("pk")
    # The first condition of each bounds the index scan; the second alone would scan from the index's end.
    newer = Q(created__gte=image.created) & (Q(created__gt=image.created) | Q(pk__lt=image.pk))
    older = Q(created__lte=image.created) & (Q(created__lt=image.created) | Q(pk__gt=image.pk))
    return Beside(
        previous=_address(list(images.filter(newer).order_by("created", "-id")[:1])),
        next=_address(list(images.filter(older).order_by("-created", "id")[:1])),
    )
