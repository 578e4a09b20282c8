"""`/map/`: a map with similar pictures near each other, and a list of its groups."""

import base64
import binascii
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import gettext as _

from search.http.methods import require_http_methods, require_safe
from search.limits.searches import count_search
from search.mapping import points
from search.models import Image, MapLayout
from search.models.picture_sets import MOST
from search.objects.renditions import thumbnail_urls
from search.query import BadQuery, Filters, Minimum, NoSuchQuery, SearchQuery
from search.query.map_groups import label_of
from search.query.selection import BadSelection, Selection, images_in_order
from search.relevance import Band
from search.retrieval.all_results import all_ids, has_matches
from search.retrieval.results import part_of
from search.retrieval.search import NEAREST, Search
from search.templatetags.tiles import tiles_in
from search.views.curating import change_all_page
from search.views.errors import error_page
from search.views.images import may_curate, may_see_map, refuse_query, rights

SAMPLE = 6
"""Maximum of sample pictures of each group in the list."""
AT_ONCE = 60
"""Maximum of pictures that a script requests at once."""
MOST_MARKED = 20_000
"""Maximum of highlighted matches of a search by meaning: each is a row read."""
MOST_CHANGED = 100_000


@dataclass(frozen=True, slots=True)
class Group:
    """A group on the page: `query` finds its pictures."""

    number: int
    label: str
    x: float
    y: float
    count: int
    samples: list[tuple[Image, str]]
    query: SearchQuery


def _for_those_who_see_it(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def only_then(request: HttpRequest, *args: Any) -> HttpResponse:
        if not may_see_map(request):
            raise Http404
        response = view(request, *args)
        patch_cache_control(response, private=True, no_cache=True)
        return response

    return only_then


@require_safe
@_for_those_who_see_it
def map_page(request: HttpRequest) -> HttpResponse:
    layout = MapLayout.current()
    groups = _groups(layout) if layout else []
    context = {
        "query": SearchQuery(),
        "groups": groups,
        "count": sum(group.count for group in groups),
        "most_selected": MOST,
        "most_changed": MOST_CHANGED,
        **rights(request),
    }
    return render(request, "search/map.jinja", context, using="jinja2")


def _groups(layout: MapLayout) -> list[Group]:
    """Return the groups that have pictures, the largest first."""
    counts = points.counts_of(layout)
    rows = [row for row in layout.groups.all() if counts.get(row.number)]
    wanted = [image_id for row in rows for image_id in row.samples]
    # Only what is displayed; samples whose ids have changed with their files are left out.
    images = Image.objects.shown().only("title", "hidden").in_bulk(wanted)
    samples = {row.number: [images[one] for one in row.samples if one in images][:SAMPLE] for row in rows}
    addresses = thumbnail_urls(image for some in samples.values() for image in some)
    groups = [
        Group(
            row.number,
            label_of(row),
            row.x,
            row.y,
            counts[row.number],
            [(image, addresses[str(image.pk)]) for image in samples[row.number]],
            SearchQuery(filters=Filters(group=row.number)),
        )
        for row in rows
    ]
    return sorted(groups, key=lambda group: (-group.count, group.number))


@require_safe
@_for_those_who_see_it
def map_points(request: HttpRequest) -> HttpResponse:
    """All points in the format of `search.mapping.points`, with an ETag."""
    layout = MapLayout.current()
    etag = f'"{points.version(layout)}"' if layout else '"none"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        data = points.points_of(layout) if layout else points.MAGIC + bytes(4)
        response = HttpResponse(data, content_type="application/octet-stream")
    response["ETag"] = etag
    return response


@require_safe
@_for_those_who_see_it
def map_marks(request: HttpRequest) -> HttpResponse:
    """The ids of a search's strong matches and of its related ones. All results of a filter are strong."""
    try:
        query = SearchQuery.from_params(request.GET).replace()
        refuse_query(request, query)
        if query.is_empty and query.all_filters.is_empty:
            raise BadQuery(_("Describe what to colour."))
        count_search(request, query.texts)
        strong, related = _bands(query)
    except BadQuery as problem:
        return JsonResponse({"problem": str(problem)}, status=404 if isinstance(problem, NoSuchQuery) else 400)
    return HttpResponse(points.as_bytes(strong, related), content_type="application/octet-stream")


def _bands(query: SearchQuery) -> tuple[Sequence[uuid.UUID], Sequence[uuid.UUID]]:
    if not has_matches(query):
        return all_ids(query)[:MOST_CHANGED], []
    search = Search(query.replace(minimum=Minimum.RELATED))
    segments = search.segments()
    if search.scale is None:  # not calibrated: use the nearest, as for saved searches
        return [], [image.pk for image in part_of(segments, 0, NEAREST)]
    found = part_of(segments, 0, MOST_MARKED)
    strong = [image.pk for image in found if image.band == Band.STRONG]
    return strong, [image.pk for image in found if image.band == Band.RELATED]


@require_safe
@_for_those_who_see_it
def map_pictures(request: HttpRequest) -> HttpResponse:
    """Details of some pictures as JSON, without those that are gone."""
    try:
        ids = Selection.from_params(request.GET).ids[:AT_ONCE]
    except BadSelection as problem:
        return JsonResponse({"problem": str(problem)}, status=400)
    images = images_in_order(ids)
    addresses = thumbnail_urls(images)
    return JsonResponse(
        {
            "pictures": [
                {
                    "id": str(image.pk),
                    "page": image.get_absolute_url(),
                    "thumbnail": addresses[str(image.pk)],
                    "title": image.name,
                    "width": image.width,
                    "height": image.height,
                }
                for image in images
            ]
        }
    )


@require_http_methods(["GET", "HEAD", "POST"])
@_for_those_who_see_it
def map_selection(request: HttpRequest) -> HttpResponse:
    """Pictures selected on the map, as tiles for the selection bar; or, for curators, a large selection as the page
    for changing all of it."""
    if request.method != "POST":  # reloaded after an error
        return redirect("map")
    try:
        if "packed" in request.POST:
            return _change_all(request, _unpacked(request.POST["packed"]))
        images = images_in_order(Selection.from_params(request.POST).ids)
    except BadSelection as problem:
        return error_page(request, 400, str(problem), _("Go back and try again."))
    return HttpResponse(tiles_in(images, SearchQuery(), None, 24))


def _change_all(request: HttpRequest, ids: Sequence[uuid.UUID]) -> HttpResponse:
    if not may_curate(request):
        raise Http404
    there = list(Image.objects.shown().filter(pk__any_of=list(ids)).order_by("pk").values_list("pk", flat=True))
    if not there:
        raise BadSelection(_("None of these pictures exist any longer."))
    return change_all_page(request, there, SearchQuery(), back=reverse("map"))


def _unpacked(text: str) -> list[uuid.UUID]:
    """Return the ids in a base64 text of their concatenated bytes. Raises BadSelection."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or len(data) % 16:
        raise BadSelection(_("One of the pictures is unknown. Go back and choose the pictures again."))
    ids = [uuid.UUID(bytes=data[start : start + 16]) for start in range(0, len(data), 16)]
    if len(ids) > MOST_CHANGED:
        raise BadSelection(
            _("You chose %(number)s pictures; the limit is %(limit)s at once.")
            % {"number": f"{len(ids):,}", "limit": f"{MOST_CHANGED:,}"}
        )
    return cast("list[uuid.UUID]", list(dict.fromkeys(ids)))
