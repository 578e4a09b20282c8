"""Searching by a region of an image."""

import uuid
from collections.abc import Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from search.http.forms import RegionForm
from search.http.methods import require_http_methods
from search.imaging import UnreadableImage
from search.objects import storage
from search.query import Kind, NoSuchQuery, Part, SearchQuery, remember_region
from search.views.images import image_page, no_file, visible_image


@require_http_methods(["GET", "HEAD", "POST"])
def search_by_region(request: HttpRequest, image_id: uuid.UUID) -> HttpResponse:
    """Crop a rectangle of an image, and redirect to the search by it."""
    image = visible_image(request, image_id)
    if request.method != "POST":  # reloaded after an error
        return redirect(image)
    form = RegionForm(image, _sides(request.POST))
    if not form.is_valid():
        return image_page(request, image, status=400, region_form=form)
    try:
        token = remember_region(image, form.cleaned_data["region"])
    except (storage.MissingObject, UnreadableImage) as error:
        return no_file(request, error)
    except NoSuchQuery:
        raise Http404 from None
    query = SearchQuery(parts=(Part(Kind.PICTURE, token),))
    return redirect(f"{reverse('results')}?{query.to_url()}")


def _sides(posted: Mapping[str, str]) -> Mapping[str, str]:
    """Return the form's fields, or those of a preset crop: its sides in percent, separated by spaces."""
    if "crop" not in posted:
        return posted
    names = ("left", "top", "width", "height")
    return {"unit": "percent", **dict(zip(names, posted["crop"].split(), strict=False))}
