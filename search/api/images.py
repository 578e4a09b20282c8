"""Reading, adding and changing one image."""

import uuid
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Router, Status

from search import curation
from search.api.authentication import Session, Token, anybody, may_upload, refuse_without_role
from search.api.errors import wrong_fields
from search.api.parameters import Json, form
from search.api.schemas import Changes, ImageDetails, problems
from search.api.serializers import image_details
from search.api.upload_validation import refuse_other_bodies, refuse_wrong_fields
from search.curation import Change, Describe, Retag, ShowTo
from search.curation.change_kinds import MOST_TAGS
from search.curation.details import Details
from search.curation.metadata_import import UPLOADED, UPLOADED_WITH_CAPTIONS
from search.http.forms import LONGEST_TAGS, UploadForm
from search.http.problems import Problem
from search.ingestion import DeletedPicture
from search.ingestion.upload_runs import add_upload
from search.models import Image, Revision
from search.models.albums import Visibility
from search.models.conflicts import retried
from search.relevance import calibrate_soon_if_due
from search.views.images import may_edit, may_see, visible_image

router = Router(tags=["images"])
LONGEST_TAG = 60


def _text(column: str, description: str) -> Json:
    limit = Image._meta.get_field(column).max_length  # type: ignore[union-attr]
    return {"type": "string", "maxLength": limit, "description": description}


_DETAILS: dict[str, Json] = {
    "title": _text("title", "The title."),
    "description": _text("description", "The description."),
    "author": _text("author", "Who made it."),
    "licence": _text("licence", "The licence, such as CC BY 4.0."),
    "source_link": {**_text("source_link", "The source, an http or https address."), "format": "uri"},
    "visibility": {
        "type": "string",
        "enum": list(Visibility.values),
        "default": str(Visibility.PUBLIC),
        "description": "Who can see it: you and curators, everyone with an account, or everyone.",
    },
    "tags": {"type": "string", "maxLength": LONGEST_TAGS, "description": "Separated by commas."},
}
_READ_CAPTIONS: Json = {
    "type": "boolean",
    "description": "Whether to fill empty fields with the details stored in the file. Default: no.",
}


@router.get(
    "/images/{image_id}",
    auth=[Token(), Session(), anybody],
    url_name="image",
    operation_id="image",
    summary=gettext_noop("One image"),
    description=gettext_noop("All details of an image. Hidden images are visible to curators only."),
    response={200: ImageDetails, **problems(404)},
    openapi_extra={"security": [{}]},
)
def image(request: HttpRequest, image_id: uuid.UUID) -> ImageDetails:
    return image_details(request, visible_image(request, image_id))


@router.post(
    "/images",
    auth=[Token(), Session(), may_upload],
    url_name="add-image",
    operation_id="add_image",
    summary=gettext_noop("Add an image"),
    description=gettext_noop(
        "Add one picture to the collection. It can be found immediately.\n\n"
        "Returns 201 with the new image; 200 if the same file is already in the collection, which "
        "changes nothing; 409 if curators have hidden or deleted it. Curators can add it again, "
        "which restores it from the trash."
    ),
    response={200: ImageDetails, 201: ImageDetails, **problems(403, 409, 413, 415, 422)},
    openapi_extra={
        "requestBody": form(**_DETAILS, read_captions=_READ_CAPTIONS),
        "security": [] if settings.UPLOAD_LOGIN_REQUIRED else [{}],
    },
)
def add_image(request: HttpRequest, response: HttpResponse) -> Status[ImageDetails]:
    refuse_without_role(request)
    refuse_other_bodies(request)
    files = request.FILES.getlist("picture")
    if len(files) > 1:
        raise wrong_fields([("picture", _("Send one picture at a time."))])
    sent = UploadForm(request.POST, MultiValueDict[str, Any]({"pictures": files}))
    refuse_wrong_fields(sent, also_called="pictures")
    details = Details(**{name: sent.cleaned_data[name] for name in _DETAILS if name != "visibility"})
    uploader = request.user if request.user.is_authenticated else None
    try:
        written = UPLOADED_WITH_CAPTIONS if sent.cleaned_data["read_captions"] else UPLOADED
        file = sent.cleaned_data["pictures"][0]
        visibility = sent.cleaned_data["visibility"] if uploader else str(Visibility.PUBLIC)
        added = add_upload(file, details, uploader, written=written, visibility=visibility, door=Revision.Door.API)
    except DeletedPicture as problem:
        raise Problem(409, _("This picture can't be added."), str(problem), "deleted") from None
    if added.is_new:
        calibrate_soon_if_due()
    if not may_see(request, added.image):
        raise Problem(
            409,
            _("This picture can't be added."),
            _("This picture was added before, but is not visible to you."),
            "hidden",
        )
    answer = image_details(request, added.image)
    response["Location"] = answer.url
    return Status(201 if added.is_new else 200, answer)


@router.patch(
    "/images/{image_id}",
    auth=[Token(), Session()],
    url_name="image",
    operation_id="change_image",
    summary=gettext_noop("Update the details of an image"),
    description=gettext_noop(
        "Curators can update any image, others those that they have added. Updates can be undone on the pages."
    ),
    response={200: ImageDetails, **problems(403, 404, 409, 422)},
)
def change_image(request: HttpRequest, image_id: uuid.UUID, sent: Changes) -> ImageDetails:
    there = visible_image(request, image_id)
    if not may_edit(request, there):
        problem = _("You can only change pictures that you have added.")
        raise Problem(403, problem, code="not_allowed")
    values = {name: value for name, value in sent.dict(exclude_unset=True).items() if value is not None}
    tags, visibility = values.pop("tags", None), values.pop("visibility", None)
    try:
        changes: list[Change] = [Describe(values)] if values else []
        changes += [Retag(_whole_tags(tags))] if tags is not None else []
        changes += [ShowTo(str(visibility))] if visibility is not None else []
    except ValidationError as problem:
        raise wrong_fields([(name, text) for name, texts in problem.message_dict.items() for text in texts]) from None
    for change in changes:
        retried(partial(curation.change, [there.pk], change, by=request.user, door=Revision.Door.API))
    return image_details(request, visible_image(request, there.pk))


def _whole_tags(tags: list[str]) -> list[str]:
    """Return `tags`. Raises ValidationError for a tag that would be truncated or split."""
    if len(tags) > MOST_TAGS:
        raise ValidationError({"tags": _("A picture can have at most %(limit)s tags.") % {"limit": MOST_TAGS}})
    for tag in tags:
        if len(tag) > LONGEST_TAG or "," in tag:
            message = _("A tag can't contain a comma, and can have at most %(limit)s characters: “%(tag)s”.")
            raise ValidationError({"tags": message % {"limit": LONGEST_TAG, "tag": tag[:30]}})
    return tags
