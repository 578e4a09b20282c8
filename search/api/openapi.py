"""The API as a whole: its operations, schema and documentation page."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.docs import DocsBase
from ninja.openapi.schema import OpenAPISchema

from search.api import albums, images, searching
from search.api.errors import answer
from search.http.problems import MEDIA_TYPE
from search.models.query_pictures import KEPT
from search.models.tokens import MOST_TOKENS

DESCRIPTION = """
Search the collection, look at its images and add to them, by the same rules as the pages.

**Tokens.** Searching needs none. Adding images needs one, unless this site takes pictures from strangers: make it on
[your page of tokens]({tokens_page}), at most {most_tokens}, and send it as `Authorization: Bearer pix_...`.
On this page your session will do. A token that is not valid is refused everywhere.

**Limits** are those of the pages, by account or by address; beyond them the answer is 429. Pictures to search by are
kept for {days} days.

**Errors** are problem details (RFC 9457), `application/problem+json`, in the language of `Accept-Language`. Where the
status does not say it all, `type` ends in a code that never changes: `bad_query`, `no_such_query`, `token_needed`,
`token_not_valid`, `csrf`, `hidden`, `deleted`, `not_allowed`,
`not_a_form`, `wrong_fields`, `no_model`, `no_storage`, `no_database`,
`no_migration`, `no_time`, `too_slow`, `too_many`, `conflict`, `overtaken`, and for a picture that is refused `empty`,
`not_a_picture`, `wrong_format`, `too_many_bytes`, `too_many_pixels`, `truncated`, `damaged`. A 503, a 429 and a
`conflict` say in `Retry-After` when to try again.
"""


def _translate(operation: dict[str, Any]) -> None:
    """Translate the texts of an operation and its parameters, which are marked where they are written."""
    parameters = [dict(one) for one in operation.get("parameters", [])]  # shared with later schemas
    if parameters:
        operation["parameters"] = parameters
    for one in (operation, *parameters):
        for name in {"summary", "description"} & one.keys():
            one[name] = gettext(one[name])


class Docs(DocsBase):
    """Swagger UI from our own static files, within the site's page layout."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        return render(request, "search/api.html", {"schema": self.get_openapi_url(api, kwargs)})


class Api(NinjaAPI):
    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the schema, in which errors have the media type that they are sent with."""
        schema = super().get_openapi_schema(**options)
        schema["info"]["description"] = DESCRIPTION.format(
            tokens_page=reverse("api-tokens"), most_tokens=MOST_TOKENS, days=KEPT.days
        )
        for operations in schema["paths"].values():
            for operation in operations.values():
                _translate(operation)
                for status, response in operation["responses"].items():
                    if status >= 400:
                        response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
        return schema


api = Api(
    title="Picture search",
    version="1.0.0",
    urls_namespace="api",
    docs=Docs(),
    docs_decorator=require_safe,
)
api.add_router("", searching.router)
api.add_router("", images.router)
api.add_router("", albums.router)
for kind in (Exception, Http404, HttpError, AuthenticationError, ValidationError):
    api.add_exception_handler(kind, answer)  # type: ignore[arg-type] # ninja accepts classes, its types don't
