"""Adding pictures from the browser."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from search.accounts.roles import may_add
from search.curation.captures import UPLOADED, UPLOADED_WITH_CAPTIONS, Written, offered_captions
from search.curation.details import Details
from search.decoding import Busy
from search.http.forms import UploadForm
from search.http.methods import require_http_methods
from search.imaging import Reason, UnreadableImage
from search.ingestion import Added, DeletedPicture
from search.ingestion.upload_runs import add_upload
from search.models import Revision
from search.models.albums import Visibility
from search.relevance import calibrate_soon_if_due
from search.views.errors import error_page
from search.views.images import may_see

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True)
class Outcome:
    """What became of one file: `added` names the image, `refused` the reason."""

    name: str
    added: Added | None = None
    refused: str = ""
    too_large: bool = False
    is_seen: bool = True
    """Whether this person may see what it became."""


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The form; and after it each file with its own outcome. A script sends the files one by one."""
    user = request.user if request.user.is_authenticated else None
    if not may_add(request.user):
        return _not_without_role(request)
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    outcomes: list[Outcome] = []
    if form.is_bound and form.is_valid():
        details = Details(
            **{name: form.cleaned_data[name] for name in ("title", "description", "source_link", "tags")}
        )
        written = UPLOADED_WITH_CAPTIONS if form.cleaned_data["read_captions"] else UPLOADED
        for file in form.cleaned_data["pictures"]:
            # What strangers add belongs to nobody, who alone could see it.
            visibility = form.cleaned_data["visibility"] if user else str(Visibility.PUBLIC)
            found = _add(file, details, user, written, visibility, is_first=not outcomes)
            outcomes.append(replace(found, is_seen=not found.added or may_see(request, found.added.image)))
        if any(one.added and one.added.is_new for one in outcomes):
            calibrate_soon_if_due()
    template = "search/_partials/upload_outcomes.html" if request.htmx else "search/upload.html"  # type: ignore[attr-defined]
    context = {
        "form": UploadForm() if outcomes else form,
        "outcomes": outcomes,
        "max_mb": settings.UPLOAD_MAX_MB,
        "max_megapixels": settings.UPLOAD_MAX_MEGAPIXELS,
    }
    return render(request, template, context, status=400 if form.errors else _status(outcomes))


@require_http_methods(["POST"])
def read(request: HttpRequest) -> HttpResponse:
    """What people have written in a file, given its beginning, for the script that offers it: never where it was."""
    if not may_add(request.user):
        return _not_without_role(request)
    file = request.FILES.get("picture")
    try:
        found = offered_captions(file.read()) if file else Details()
    except Busy:  # the fields stay as they are
        found = Details()
    return JsonResponse({"title": found.title, "description": found.description, "tags": ", ".join(found.tags)})


def _not_without_role(request: HttpRequest) -> HttpResponse:
    """What is answered to who may not add pictures: strangers log in first."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    advice = _("Ask the people who run this site: they can let you.")
    return error_page(request, 403, _("You may look at pictures here, and not add any."), advice)


def _status(outcomes: list[Outcome]) -> int:
    """Refused is what is refused altogether."""
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
    """Raises Busy for the first one alone: what became of those before is told in any case."""
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
        busy = [_("Many people are sending pictures at this moment."), _("Try again in a few seconds.")]
        return Outcome(name, refused=" ".join(busy))
