"""Exceptions as problem details. Every exception of an operation is handled here, with DEBUG on too."""

import logging

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext as _
from ninja.errors import AuthenticationError, HttpError, ValidationError

from search.http.paths import path_of
from search.http.problems import Problem
from search.http.unavailable import unavailable_page
from search.imaging import Reason, UnreadableImage
from search.query import BadQuery, NoSuchQuery
from search.views import errors

logger = logging.getLogger(__name__)

_STATUS = {Reason.TOO_MANY_BYTES: 413, Reason.NOT_A_PICTURE: 415, Reason.WRONG_FORMAT: 415}
"""Status of a rejected picture; 422 for other reasons."""
_BAD_REQUEST = (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError)


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    problem = _invalid(error) if isinstance(error, ValidationError) else problem_of(error)
    if problem:
        return problem.to_response()
    if isinstance(error, (Http404, ValidationError)):
        return errors.not_found(request)
    if isinstance(error, PermissionDenied):
        return errors.forbidden(request)
    if isinstance(error, HttpError):  # ninja's own, only for a body that isn't JSON
        words = _("The body is not valid JSON."), _("Send one JSON object, in UTF-8.")
        return Problem(400, *words).to_response()
    if isinstance(error, _BAD_REQUEST):
        return errors.bad_request(request, error)
    down = unavailable_page(request, error)
    if down:
        return down
    logger.error("500 for %s", path_of(request), exc_info=error)
    return errors.server_error(request)


def _invalid(error: ValidationError) -> Problem | None:
    """Return the problem for values that ninja's validation rejects, by field for a body; None for an invalid path."""
    places = [tuple(map(str, one["loc"])) for one in error.errors]
    if any(place[0] not in ("body", "query") for place in places):
        return None
    if any(place[0] == "query" for place in places):
        return Problem(400, _("This request is not valid."), _("Page numbers start at 1."), "bad_query")
    return wrong_fields(
        [(place[2] if len(place) > 2 else "body", _("This value is not allowed.")) for place in places]
    )


def problem_of(error: Exception) -> Problem | None:
    """Return the problem for an error that the client can act on, else None."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BadQuery):
        known = isinstance(error, NoSuchQuery)
        status, code = (404, "no_such_query") if known else (400, "bad_query")
        return Problem(status, _("This search is not valid."), str(error), code)
    if isinstance(error, UnreadableImage):
        status = _STATUS.get(error.code, 422)
        return Problem(status, _("This picture can't be used."), str(error), error.code.value)
    if isinstance(error, AuthenticationError):
        return token_needed()
    return None


def token_needed() -> Problem:
    return Problem(
        401,
        _("A token is required."),
        _("Create one in your account, and send it in the Authorization header, after the word Bearer."),
        "token_needed",
        headers={"WWW-Authenticate": "Bearer"},
    )


def wrong_fields(wrong: list[tuple[str, str]]) -> Problem:
    detail = " ".join(f"{name}: {message}" for name, message in wrong)
    return Problem(422, _("Some of the values are not valid."), detail, "wrong_fields", errors=wrong)
