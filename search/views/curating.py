"""Changes on the result pages: of selected pictures, of all results, or of one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search import curation
from search.curation import AddToAlbum
from search.curation.change_kinds import skipped_message
from search.http.id_parsing import row_id
from search.http.methods import require_http_methods, require_safe
from search.models import Revision, WorkingSet
from search.models.conflicts import Conflict, retried
from search.models.saved_searches import LONGEST_QUERY
from search.query import BadQuery, Minimum, SearchQuery
from search.query.selection import BadSelection, Selection, images_in_order
from search.retrieval.all_results import all_ids, has_matches
from search.views import picture_actions
from search.views.albums import describe_album_revision
from search.views.errors import error_page
from search.views.images import (
    LABELS,
    details_of,
    may_change,
    refuse_query,
    rights,
    visibilities_offered,
)
from search.views.picture_actions import NotThus, NotYours

SAMPLE = 12
"""Maximum of sample pictures in a confirmation."""


@dataclass(frozen=True, slots=True)
class _Targets:
    """Image ids, and the search that found them; `set_id` once the user has confirmed exactly these."""

    ids: Sequence[UUID]
    search: str = ""
    set_id: UUID | None = None
    left: int = 0
    """How many of the chosen pictures the user may not change."""


@require_http_methods(["GET", "HEAD", "POST"])
def change_selection(request: HttpRequest) -> HttpResponse:
    """Apply `do` to the pictures of a form, after a confirmation where that hides or deletes several.
    A script that accepts JSON gets the result or the confirmation as JSON."""
    if request.method != "POST":  # reloaded after an error
        return redirect("search")
    verb = request.POST.get("do", "")
    try:
        picture_actions.check(request, verb)
        targets = _targets(request, verb)
        change = picture_actions.change_of(request, verb)
        if targets.set_id is None and _must_ask(verb, len(targets.ids)):
            return _ask(request, verb, targets)
        revision = retried(
            lambda: curation.change(
                targets.ids, change, by=request.user, door=Revision.Door.PAGE, search=targets.search
            )
        )
    except ValidationError as problem:
        return _refused(request, _words_of(problem))
    except (BadQuery, BadSelection, NotThus) as problem:
        status = HTTPStatus.FORBIDDEN if isinstance(problem, NotYours) else HTTPStatus.BAD_REQUEST
        return _refused(request, str(problem), status)
    except Conflict:
        return _lock_conflict(request)
    if isinstance(change, AddToAlbum) and request.POST.get("order") == "given":
        change.album.put_first(targets.ids)
    text = _result_message(verb, revision)
    if targets.left:
        text += " " + picture_actions.left_to_others(targets.left)
    return _done(request, text, revision, dict(change.given) if verb in picture_actions.OF_ALBUMS else {})


def _words_of(problem: ValidationError) -> str:
    """Return the error messages without duplicates, with the field's label."""
    if not hasattr(problem, "error_dict"):
        return " ".join(dict.fromkeys(problem.messages))
    return " ".join(
        f"{LABELS[name]}: {text}" if name in LABELS else text
        for name, texts in problem.message_dict.items()
        for text in dict.fromkeys(texts)
    )


def _targets(request: HttpRequest, verb: str) -> _Targets:
    params = request.POST
    if params.get("set"):
        kept = WorkingSet.of(request.user, params["set"])
        if kept is None:
            raise NotThus(_("This confirmation has expired. Start again."))
        chosen = kept.present()
        ids = picture_actions.allowed(request, verb, chosen)
        return _Targets(ids, kept.search, kept.pk, len(chosen) - len(ids))
    selection = Selection.from_params(params).ids
    there = [image.pk for image in images_in_order(selection, request.user)]
    if not there:
        raise NotThus(_("None of these pictures exist any longer."))
    ids = picture_actions.allowed(request, verb, there)
    return _Targets(ids, params.get("query", "")[:LONGEST_QUERY], left=len(there) - len(ids))


def _must_ask(verb: str, count: int) -> bool:
    """Whether a confirmation is needed: for hiding or deleting several pictures, or deleting any permanently."""
    return (verb in ("hide", "trash") and count > 1) or (verb == "trash" and not settings.TRASH_DAYS)


def _ids_of(request: HttpRequest, address: str, minimum: str) -> list[UUID]:
    """Return the ids of all results of a search, or only of its strong or related matches."""
    query = SearchQuery.from_params(QueryDict(address)).replace()
    refuse_query(request, query)
    if minimum in (Minimum.STRONG, Minimum.RELATED):
        query = replace(query, minimum=Minimum(minimum))
    elif has_matches(query):
        raise NotThus(_("A search by content orders all pictures. Choose its strong or related matches."))
    ids = all_ids(query)
    if not ids:
        raise NotThus(_("Nothing was found."))
    return ids


def _ask(request: HttpRequest, verb: str, targets: _Targets) -> HttpResponse:
    kept = WorkingSet.keep(request.user, targets.ids, search=targets.search)
    context = {
        "verb": verb,
        "count": len(targets.ids),
        "question": _question(verb, len(targets.ids)),
        "images": images_in_order(targets.ids[:SAMPLE], request.user),
        "more": max(0, len(targets.ids) - SAMPLE),
        "set": kept.pk,
        "next": _way_back(request),
        "trash_days": settings.TRASH_DAYS,
    }
    if _wants_json(request):
        html = render(request, "search/_partials/curate_question.html", context).content.decode()
        return _json({"question": html, "count": len(targets.ids)})
    response = render(request, "search/curate_question.html", context)
    add_never_cache_headers(response)
    return response


def _question(verb: str, count: int) -> str:
    number = {"count": f"{count:,}"}
    if verb == "hide":
        return ngettext("Hide %(count)s picture?", "Hide %(count)s pictures?", count) % number
    return ngettext("Delete %(count)s picture?", "Delete %(count)s pictures?", count) % number


def _result_message(verb: str, revision: Revision) -> str:
    count = revision.count
    texts = {
        "tag": ngettext("%(count)s picture was tagged.", "%(count)s pictures were tagged.", count),
        "untag": ngettext(
            "Tags were removed from %(count)s picture.", "Tags were removed from %(count)s pictures.", count
        ),
        "hide": ngettext("%(count)s picture is now hidden.", "%(count)s pictures are now hidden.", count),
        "show": ngettext("%(count)s picture is now visible.", "%(count)s pictures are now visible.", count),
        "edit": ngettext(
            "The details of %(count)s picture were changed.", "The details of %(count)s pictures were changed.", count
        ),
        "visibility": ngettext(
            "The visibility of %(count)s picture was changed.",
            "The visibility of %(count)s pictures was changed.",
            count,
        ),
        "album": picture_actions.put_into_album(count),
        "unalbum": ngettext(
            "%(count)s picture was removed from the album.", "%(count)s pictures were removed from the album.", count
        ),
        "trash": ngettext("%(count)s picture was deleted.", "%(count)s pictures were deleted.", count),
    }
    text = texts[verb] % {"count": f"{count:,}"} if count else _("There was nothing to change.")
    if revision.full:
        text += " " + skipped_message(revision)
    if revision.is_partial:
        text += " " + _("Someone else is changing some of the other pictures. Repeat this for them in a moment.")
    return text


@require_http_methods(["GET", "HEAD", "POST"])
def undo_change(request: HttpRequest) -> HttpResponse:
    """Undo a revision, except for pictures that were changed again."""
    if request.method != "POST":
        return redirect("search")
    revision = _revision(request.POST.get("revision", ""))
    if revision is None:
        if not may_change(request):
            raise PermissionDenied
        return _refused(request, _("This change is no longer kept, so it can't be undone."))
    is_own = revision.by_id == request.user.pk
    if not ((request.user.is_staff or is_own) and revision.may_be_undone_by(request.user)):
        raise PermissionDenied
    try:
        undone = retried(lambda: curation.undo(revision, by=request.user, door=Revision.Door.PAGE))
    except Conflict:
        return _lock_conflict(request)
    except Revision.DoesNotExist:
        return _refused(request, _("This change is no longer kept, so it can't be undone."))
    return _done(request, _undo_message(undone), undone.revision)


def _revision(text: str) -> Revision | None:
    return Revision.objects.filter(pk=row_id(text) or 0).first()


def _undo_message(undone: curation.Undone) -> str:
    if undone.was_undone:
        return _("This change has already been undone.")
    if curation.is_of_deletion(undone.revision):
        return describe_album_revision(undone.revision)
    count = undone.count
    text = ngettext("%(count)s picture was reverted.", "%(count)s pictures were reverted.", count)
    parts = [text % {"count": f"{count:,}"}]
    for kept in undone.kept:
        text = ngettext(
            "%(count)s picture was skipped, because %(name)s changed it later.",
            "%(count)s pictures were skipped, because %(name)s changed them later.",
            kept.pictures,
        )
        parts.append(text % {"count": f"{kept.pictures:,}", "name": kept.name or _("someone else")})
    return " ".join(parts)


def _done(request: HttpRequest, text: str, revision: Revision, album: Mapping[str, Any] | None = None) -> HttpResponse:
    undo = str(revision.pk) if revision.pk else ""
    if _wants_json(request):
        return _json({"done": text, "undo": undo, "count": revision.count, "album": album or None})
    messages.success(request, text, extra_tags=f"undo-{undo}" if undo else "")
    return redirect(_way_back(request))


def _refused(request: HttpRequest, problem: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> HttpResponse:
    if _wants_json(request):
        return _json({"problem": problem}, status)
    return error_page(request, status, problem, _("Go back and try again."))


def _lock_conflict(request: HttpRequest) -> HttpResponse:
    return _refused(request, _("Someone else is changing these pictures. Try again in a moment."), HTTPStatus.CONFLICT)


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "") == "application/json"


def _json(data: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    response = JsonResponse(data, status=status)
    add_never_cache_headers(response)
    return response


def _way_back(request: HttpRequest) -> str:
    """Return the URL on this site that the form came from."""
    for address in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
        if address and is_ours and len(address) < 16_000:
            return address
    return reverse("search")


@require_safe
def all_results(request: HttpRequest) -> HttpResponse:
    """All results of a search, or only its strong or related matches, with forms to change them."""
    if not may_change(request):
        raise Http404
    params = request.GET.copy()
    minimum = "".join(params.pop("all", [])[-1:]) or str(Minimum.ANY)
    try:
        query = SearchQuery.from_params(params)
        ids = _ids_of(request, params.urlencode(), minimum)
    except (BadQuery, NotThus) as problem:
        return _refused(request, str(problem))
    return change_all_page(request, ids, query, back=f"{reverse('results')}?{query.to_url()}")


def change_all_page(request: HttpRequest, ids: Sequence[UUID], query: SearchQuery, *, back: str) -> HttpResponse:
    """Return the page for changing exactly these images, found by a search, with a link `back`."""
    kept = WorkingSet.keep(request.user, ids, search=query.to_url())
    context = {
        "query": query,
        "details": details_of(None),
        "visibilities": visibilities_offered(None),
        "next_when_gone": back,
        **rights(request),
        "count": len(ids),
        "images": images_in_order(ids[:SAMPLE], request.user),
        "more": max(0, len(ids) - SAMPLE),
        "set": kept.pk,
        "trash_days": settings.TRASH_DAYS,
        "next": back,
    }
    response = render(request, "search/curate_all.html", context)
    add_never_cache_headers(response)
    return response
