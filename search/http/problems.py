"""Errors for programs: problem details in JSON (RFC 9457), in the language requested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.http import HttpRequest, JsonResponse

MEDIA_TYPE = "application/problem+json"
_PREFIX = "/api/"
_PAGE = "/api/docs"


@dataclass
class Problem(Exception):
    """An error with its HTTP status. `code` distinguishes errors of the same status.

    `errors` are (field, message).
    """

    status: int
    title: str
    detail: str = ""
    code: str = ""
    errors: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> JsonResponse:
        content: dict[str, object] = {
            "type": f"{settings.BASE_PATH}{_PAGE}#{self.code}" if self.code else "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail or self.title,
        }
        if self.errors:
            content["errors"] = [{"field": name, "message": message} for name, message in self.errors]
        return JsonResponse(content, status=self.status, content_type=MEDIA_TYPE, headers=dict(self.headers))


def is_for_programs(request: HttpRequest) -> bool:
    """Whether errors are returned as problem details rather than as a page."""
    return request.path_info.startswith(_PREFIX) and request.path_info != _PAGE
