"""Titles and tags edited in the list itself, each saved by its own request."""

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from search.admin.concurrent_edits import busy
from search.admin.forms import ImageForm
from search.curation import recorded
from search.curation.metadata_import import note_edits
from search.http.methods import require_POST
from search.models import Image, Revision
from search.models.conflicts import Conflict, locked, retried

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from search.admin.images import ImageAdmin

FIELDS = ("title", "tags")


def as_text(value: Any) -> str:
    """Return a value as text for the input in a list."""
    return ", ".join(value) if isinstance(value, list) else str(value)


@require_POST
def in_place_view(request: HttpRequest, image_id: uuid.UUID, *, model_admin: "ImageAdmin") -> HttpResponse:
    """Save `value` as the `field` of an image. If the field is no longer as `shown`, answer 409 with its value."""
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    name = request.POST.get("field", "")
    if name not in FIELDS:
        return _problem(HTTPStatus.BAD_REQUEST, _("This field can't be edited in the list."))
    try:
        value = ImageForm.base_fields[name].clean(request.POST.get("value", ""))
        return retried(lambda: _saved(request, image_id, name, value))
    except ValidationError as problem:
        return _problem(HTTPStatus.BAD_REQUEST, " ".join(problem.messages))
    except Conflict:
        return _problem(HTTPStatus.CONFLICT, busy())


def _saved(request: HttpRequest, image_id: uuid.UUID, name: str, value: Any) -> HttpResponse:
    with transaction.atomic():
        image = next(iter(locked(Image.objects.defer("embedding").filter(pk=image_id))), None)
        if image is None:
            return _problem(HTTPStatus.NOT_FOUND, _("This picture no longer exists."))
        current = getattr(image, name)
        if current != value:
            if as_text(current) != request.POST.get("shown", ""):
                text = _("Someone else has changed this to: %(value)s. Save again to replace it.")
                return _problem(
                    HTTPStatus.CONFLICT, text % {"value": as_text(current) or _("(empty)")}, value=as_text(current)
                )
            revision = Revision(kind=Revision.Kind.DESCRIBE, by=cast("User", request.user), door=Revision.Door.ADMIN)
            with recorded([image.pk], revision):
                setattr(image, name, value)
                image.save(update_fields=[name, "updated"])
                note_edits([image.pk], [name])
        return JsonResponse({"value": as_text(getattr(image, name))})


def _problem(status: HTTPStatus, problem: str, **more: str) -> HttpResponse:
    return JsonResponse({"problem": problem, **more}, status=status)
