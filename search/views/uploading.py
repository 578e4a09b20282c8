"""Adding pictures from the browser."""

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search.accounts.roles import may_add, may_edit_own
from search.curation import change
from search.curation.details import Details
from search.curation.metadata_import import UPLOADED, UPLOADED_WITH_CAPTIONS, Written, offered_captions
from search.decoding import Busy
from search.http.forms import UploadPageForm
from search.http.methods import require_http_methods
from search.imaging import Reason, UnreadableImage
from search.ingestion import Added, DeletedPicture
from search.ingestion.upload_runs import add_upload
from search.models import Revision
from search.models.albums import Visibility, may_keep_albums
from search.models.conflicts import Conflict, retried
from search.relevance import calibrate_soon_if_due
from search.views import picture_actions
from search.views.added import TooMany, address_of
from search.views.errors import error_page
from search.views.images import albums_to_choose, may_curate, may_see

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_SAID = ("title", "description", "author", "licence", "source_link", "tags")
"""Form fields that apply to all uploaded pictures."""


@dataclass(frozen=True)
class Outcome:
    """The result for one file: `added` has the image, `refused` the reason."""

    name: str
    added: Added | None = None
    refused: str = ""
    too_large: bool = False
    is_seen: bool = True
    """Whether the user may see the image."""

    @property
    def is_of_now(self) -> bool:
        """Whether this upload added or restored it."""
        return bool(self.added and (self.added.is_new or self.added.is_restored))


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The upload form; after a POST with the outcome of each file. A script sends the files one by one."""
    if not may_add(request.user):
        return not_without_role(request)
    form = _form(request, request.POST, request.FILES) if request.method == "POST" else _form(request)
    outcomes = _outcomes(request, form) if form.is_bound and form.is_valid() else []
    status = 400 if form.errors else _status(outcomes)
    if request.htmx:  # type: ignore[attr-defined]
        parts = {"form": form, "outcomes": outcomes}
        return render(request, "search/_partials/upload_outcomes.html", parts, status=status)
    if "album" in form.fields:
        _put_into_album(request, form, outcomes)
    added = [one.added.image.pk for one in outcomes if one.added and one.is_seen and one.is_of_now]
    context = {
        "form": _form(request) if outcomes else form,
        "outcomes": outcomes,
        "added": len(added),
        "added_at": _added_at(request, added),
        "max_mb": settings.UPLOAD_MAX_MB,
        "max_megapixels": settings.UPLOAD_MAX_MEGAPIXELS,
        "max_files": settings.UPLOAD_MAX_FILES,
        "max_together": max(settings.UPLOAD_MAX_REQUEST_MB, settings.UPLOAD_MAX_MB),
        "may_tag": may_edit_own(request.user) or may_curate(request),
    }
    return render(request, "search/upload.html", context, status=status)


def _outcomes(request: HttpRequest, form: UploadPageForm) -> list[Outcome]:
    """Add the files of the form, one after the other."""
    user = request.user if request.user.is_authenticated else None
    details = Details(**{name: form.cleaned_data[name] for name in _SAID})
    written = UPLOADED_WITH_CAPTIONS if form.cleaned_data["read_captions"] else UPLOADED
    # Pictures of anonymous users have no owner who could see private ones.
    visibility = form.cleaned_data["visibility"] if user else str(Visibility.PUBLIC)
    outcomes: list[Outcome] = []
    for file in form.cleaned_data["pictures"]:
        found = _add(file, details, user, written, visibility, is_first=not outcomes)
        outcomes.append(replace(found, is_seen=not found.added or may_see(request, found.added.image)))
    if any(one.added and one.added.is_new for one in outcomes):
        calibrate_soon_if_due()
    return outcomes


def _form(request: HttpRequest, *sent: Any) -> UploadPageForm:
    """Return the form for this user, bound if data were sent."""
    albums = albums_to_choose(request.user) if may_keep_albums(request.user) else None
    return UploadPageForm(*sent, albums=albums)


def _added_at(request: HttpRequest, added: list[uuid.UUID]) -> str:
    """Return the URL of the page of the added pictures; "" for none, or too many."""
    try:
        return address_of(request, added) if added else ""
    except TooMany:
        return ""


def _put_into_album(request: HttpRequest, form: UploadPageForm, outcomes: list[Outcome]) -> None:
    """Add the uploaded pictures to the form's album, and report it."""
    ids = [one.added.image.pk for one in outcomes if one.added and one.is_seen]
    if not ids or not form.cleaned_data["album"]:
        return
    try:
        into = picture_actions.change_of(request, "album")
        revision = retried(lambda: change(ids, into, by=request.user, door=Revision.Door.PAGE))
    except (ValidationError, picture_actions.NotThus) as problem:
        texts = problem.messages if isinstance(problem, ValidationError) else [str(problem)]
        messages.error(request, " ".join(texts))
        return
    except Conflict:
        text = _(
            "The pictures were added, but not to the album, because someone else is changing them. Add "
            "them to the album again."
        )
        messages.error(request, text)
        return
    undo = f"undo-{revision.pk}" if revision.pk else ""
    messages.success(request, picture_actions.put_into_album(revision.count), extra_tags=undo)


@require_http_methods(["POST"])
def read(request: HttpRequest) -> HttpResponse:
    """Return captions in the beginning of a file, for the script that offers them; never the place."""
    if not may_add(request.user):
        return not_without_role(request)
    file = request.FILES.get("picture")
    try:
        found = offered_captions(file.read()) if file else Details()
    except Busy:  # the fields stay as they are
        found = Details()
    return JsonResponse({"title": found.title, "description": found.description, "tags": ", ".join(found.tags)})


def not_without_role(request: HttpRequest) -> HttpResponse:
    """Answer a user who may not add pictures; anonymous ones are sent to the login."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    advice = _("Ask the site administrator for permission.")
    return error_page(request, 403, _("You may view pictures here, but not add any."), advice)


def _status(outcomes: list[Outcome]) -> int:
    """Return 413 or 400 if all files were refused, else 200."""
    if outcomes and all(one.too_large for one in outcomes):
        return 413
    return 400 if outcomes and all(one.refused for one in outcomes) else 200


def _add(
    file: "UploadedFile[Any]",
    details: Details,
    user: "User | None",
    written: Written,
    visibility: str,
    *,
    is_first: bool,
) -> Outcome:
    """Add one file. Raises Busy for the first one only, so that outcomes of earlier files are always shown."""
    name = file.name or ""
    try:
        added = add_upload(file, details, user, written=written, visibility=visibility, door=Revision.Door.PAGE)
        return Outcome(name, added=added)
    except UnreadableImage as problem:
        return Outcome(name, refused=str(problem), too_large=problem.code is Reason.TOO_MANY_BYTES)
    except DeletedPicture as problem:
        return Outcome(name, refused=str(problem))
    except Busy:
        if is_first:
            raise
        busy = [_("Too many people are sending pictures right now."), _("Try again in a few seconds.")]
        return Outcome(name, refused=" ".join(busy))
