"""Searching, and uploading a query picture."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_noop
from ninja import Router, Status

from search.api.authentication import Session, Token, anybody
from search.api.parameters import SEARCH_PARAMETERS, form
from search.api.schemas import QueryPictureOut, SearchAnswer, problems
from search.api.serializers import search_answer, search_url
from search.api.upload_validation import checked_file, refuse_other_bodies, refuse_wrong_fields
from search.http.forms import PictureForm
from search.limits.searches import count_search
from search.query import Kind, Part, SearchQuery, remember_picture
from search.retrieval import find
from search.state.search_statistics import counted
from search.views.images import refuse_query

router = Router(tags=["search"], auth=[Token(), Session(), anybody])


@router.get(
    "/search",
    url_name="search",
    operation_id="search",
    summary=gettext_noop("Search by text, pictures and images"),
    description=gettext_noop(
        "All parts are optional and can be combined. Without any, the newest images are returned.\n\n"
        "Best matches first, 24 per page. No filter or band drops images silently: `found` is exact."
    ),
    response={200: SearchAnswer, **problems(404)},
    openapi_extra={"parameters": SEARCH_PARAMETERS, "security": [{}]},
)
def search(request: HttpRequest) -> SearchAnswer:
    query = SearchQuery.from_params(request.GET)
    refuse_query(request, query)
    count_search(request, query.texts)
    with counted(query) as search_under_way:
        search_under_way.results = find(query)
    return search_answer(request, search_under_way.results)


@router.post(
    "/search/picture",
    url_name="search-picture",
    operation_id="send_query_picture",
    summary=gettext_noop("Upload a picture to search by"),
    description=gettext_noop("The picture is not added to the collection. The same picture gets the same token."),
    response={201: QueryPictureOut, **problems(403, 413, 415, 422)},
    openapi_extra={"requestBody": form(), "security": [{}]},
)
def send_query_picture(request: HttpRequest) -> Status[QueryPictureOut]:
    refuse_other_bodies(request)
    shown = PictureForm(request.POST, request.FILES)
    refuse_wrong_fields(shown)
    token = remember_picture(checked_file(shown.cleaned_data["picture"]))
    answer = QueryPictureOut(
        picture=token,
        search=search_url(request, SearchQuery(parts=(Part(Kind.PICTURE, token),))),
        thumbnail=request.build_absolute_uri(reverse("query-picture", args=[token])),
    )
    return Status(201, answer)
