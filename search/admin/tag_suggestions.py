"""The suggestions of one tag as a grid, strongest first: accepted or rejected singly, by row, by page, or from the
first to a chosen one."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.admin import picture_html
from search.admin.concurrent_edits import busy
from search.admin.undoing import FORM, with_undo
from search.curation.change_kinds import skipped_message
from search.embedding import active_model, text_model
from search.http.id_parsing import moment_of, page_number, uuid_of
from search.http.methods import require_http_methods
from search.models import TagSuggestion, TagVector, VocabularyTag
from search.models.conflicts import Conflict, retried
from search.tagging.overview import waiting_by_tag
from search.tagging.suggestion_decisions import accept, reject, take_back, waiting
from search.text.numbers import whole_number

A_ROW = 6
SIZES = (60, 120, 480)
"""Choices of pictures per page."""
_STATES = ("waiting", "rejected")


class _InvalidDecision(Exception):
    """Invalid decision. The message is for the user."""


@dataclass(frozen=True)
class _Asked:
    """A parsed button: accept or reject these."""

    accepts: bool
    ids: Sequence[uuid.UUID]


def may_decide(request: HttpRequest) -> bool:
    return request.user.has_perm("search.change_image")


def is_compared() -> bool:
    """Whether pictures were ever compared with tags by the active models."""
    rows = TagVector.objects.filter(model=active_model(), text_model=text_model())
    return rows.filter(threshold__isnull=False).exists()


def _tag(request: HttpRequest, pk: int) -> VocabularyTag:
    if not may_decide(request):
        raise PermissionDenied
    tag = VocabularyTag.objects.filter(pk=pk).select_related("parent").first() if pk < 2**63 else None
    if tag is None:
        raise Http404
    return tag


@require_http_methods(["GET", "HEAD", "POST"])
def suggestions_view(request: HttpRequest, pk: int) -> HttpResponse:
    tag = _tag(request, pk)
    if request.method == "POST":
        return _decided(request, tag)
    kind = "rejected" if request.GET.get("state") == "rejected" else "waiting"
    size = next((size for size in SIZES if str(size) == request.GET.get("size")), SIZES[0])
    page = Paginator(_rows(tag, kind), size).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    images = [one.image for one in shown]
    picture_html.with_thumbnails(images)
    context = {
        **admin.site.each_context(request),
        "title": _("Suggestions for “%(tag)s”") % {"tag": tag.name},
        "opts": VocabularyTag._meta,
        "tag": tag,
        "kind": kind,
        "page": page,
        "rows": [shown[start : start + A_ROW] for start in range(0, len(shown), A_ROW)],
        "count": len(shown),
        "size": size,
        "sizes": SIZES,
        "seen": timezone.now().isoformat(),
        "decided": _decided_so_far(tag),
        **_besides(tag),
    }
    return TemplateResponse(request, "admin/search/vocabularytag/suggestions.html", context)


def _rows(tag: VocabularyTag, kind: str) -> Any:
    rows = waiting(tag)
    if kind == "rejected":
        rows = TagSuggestion.objects.filter(tag=tag, state=TagSuggestion.State.REJECTED, image__trashed=None)
        rows = rows.order_by("-decided", "image")
    return rows.select_related("image").defer("image__embedding", "image__description")


def _decided_so_far(tag: VocabularyTag) -> dict[str, int]:
    rows = TagSuggestion.objects.filter(tag=tag)
    return {
        "accepted": rows.filter(state=TagSuggestion.State.ACCEPTED).count(),
        "rejected": rows.filter(state=TagSuggestion.State.REJECTED).count(),
    }


def _besides(tag: VocabularyTag) -> dict[str, Any]:
    """The neighbours of this tag among those with pending suggestions, most suggestions first."""
    counts = waiting_by_tag()
    order = sorted(counts, key=lambda key: (-counts[key], key))
    if tag.pk not in order:
        return {"following": VocabularyTag.objects.filter(pk=order[0]).first() if order else None}
    place = order.index(tag.pk)
    near = VocabularyTag.objects.in_bulk([*order[max(0, place - 1) : place], *order[place + 1 : place + 2]])
    return {
        "previous": near.get(order[place - 1]) if place else None,
        "following": near.get(order[place + 1]) if place + 1 < len(order) else None,
    }


def _decided(request: HttpRequest, tag: VocabularyTag) -> HttpResponse:
    try:
        asked = _asked(request, tag)
        message = retried(lambda: _done(request, tag, asked))
    except _InvalidDecision as problem:
        return _answered(request, tag, str(problem), HTTPStatus.BAD_REQUEST)
    except Conflict:
        return _answered(request, tag, busy(), HTTPStatus.CONFLICT)
    return _answered(request, tag, message)


def _done(request: HttpRequest, tag: VocabularyTag, asked: _Asked) -> SafeString | str:
    """Apply the decision; return the message, with an undo button."""
    user = cast("Any", request.user)
    if asked.accepts:
        revision = accept(tag, asked.ids, by=user)
        text = ngettext(
            "“%(tag)s” was added to %(count)s picture.", "“%(tag)s” was added to %(count)s pictures.", revision.count
        ) % {"count": f"{revision.count:,}", "tag": tag.name}
        if revision.full:
            text += " " + skipped_message(revision)
        if revision.is_partial:
            text += " " + busy()
        return with_undo(text, revision)
    count, moment = reject(tag, asked.ids, by=user)
    text = ngettext(
        "“%(tag)s” is no longer suggested for %(count)s picture.",
        "“%(tag)s” is no longer suggested for %(count)s pictures.",
        count,
    ) % {"count": f"{count:,}", "tag": tag.name}
    return format_html("{} {}", text, _take_back_button(tag, moment)) if count else text


def _take_back_button(tag: VocabularyTag, moment: dt.datetime) -> SafeString:
    return format_html(
        '<button type="submit" class="undo" form="{}" formaction="{}" name="moment" value="{}">{}</button>',
        FORM,
        reverse("admin:search_vocabularytag_again", args=[tag.pk]),
        moment.isoformat(),
        _("Undo"),
    )


def _asked(request: HttpRequest, tag: VocabularyTag) -> _Asked:
    """Return what the pressed button decides, of the pictures that its page showed."""
    shown = [one for one in map(uuid_of, request.POST.getlist("ids")[: SIZES[-1]]) if one]
    for name in ("accept", "reject"):
        if value := request.POST.get(name):
            break
    else:
        raise _InvalidDecision(_("Nothing is selected."))
    accepts = name == "accept"
    if value == "page":
        return _Asked(accepts, shown)
    if value.startswith("row-"):
        row = whole_number(value.removeprefix("row-"), len(shown))
        start = len(shown) if row is None else row * A_ROW
        return _Asked(accepts, shown[start : start + A_ROW])
    is_down_to = value.startswith("to-")
    one = uuid_of(value.removeprefix("to-"))
    if one is None:
        raise _InvalidDecision(_("Nothing is selected."))
    return _Asked(accepts, _down_to(request, tag, one) if is_down_to else [one])


def _down_to(request: HttpRequest, tag: VocabularyTag, one: uuid.UUID) -> list[uuid.UUID]:
    """Return the suggestions down to this one, of all pages; not those made after the page was shown."""
    last = waiting(tag).filter(image=one).first()
    if last is None:
        raise _InvalidDecision(_("This suggestion no longer exists. Check again."))
    rows = waiting(tag).filter(
        Q(similarity__gt=last.similarity) | Q(similarity=last.similarity, image__lte=last.image_id)
    )
    seen = moment_of(request.POST.get("seen", ""))
    if seen:
        rows = rows.filter(created__lte=seen)
    return list(rows.values_list("image", flat=True))


def _answered(
    request: HttpRequest, tag: VocabularyTag, message: SafeString | str, status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    if request.headers.get("Accept", "") == "application/json":
        left = waiting(tag).count()
        if not left and status == HTTPStatus.OK:  # shown on the page that the script goes on to
            messages.success(request, message)
        response: HttpResponse = JsonResponse(
            {"told": format_html("{}", message), "waiting": left, "next": "" if left else _way_on(request, tag)},
            status=status,
        )
        add_never_cache_headers(response)
        return response
    (messages.success if status == HTTPStatus.OK else messages.error)(request, message)
    return redirect(_way_on(request, tag))


def _way_on(request: HttpRequest, tag: VocabularyTag) -> str:
    """Return the URL of the same page or, if nothing of this tag is pending, of the tag with the most suggestions."""
    if request.GET.get("state") != "rejected" and not waiting(tag).exists():
        following = _besides(tag)["following"]
        if following:
            return f"{_address(following)}?{_size(request)}".rstrip("?")
    return _way_back(request, tag)


def _address(tag: VocabularyTag) -> str:
    return reverse("admin:search_vocabularytag_suggestions", args=[tag.pk])


def _size(request: HttpRequest) -> str:
    size = request.GET.get("size", "")
    return f"size={size}" if size in map(str, SIZES) else ""


def _way_back(request: HttpRequest, tag: VocabularyTag) -> str:
    """Return the URL of the same page: decided suggestions have left it, and others have moved up."""
    kind = request.GET.get("state", "")
    kept = list(filter(None, [_size(request)]))
    kept += [f"state={kind}"] if kind in _STATES else []
    # Keep the page: the user left what comes before it pending.
    kept += [f"page={page}"] if (page := page_number(request)) > 1 else []
    return f"{_address(tag)}?{'&'.join(kept)}".rstrip("?")


def take_back_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Make suggestions pending again that were rejected at a given moment, or one picture's. GET changes nothing."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    tag = _tag(request, pk)
    moment, one = moment_of(request.POST.get("moment", "")), uuid_of(request.POST.get("image", ""))
    if moment is None and one is None:
        messages.error(request, _("Nothing is selected."))
    else:
        count = retried(lambda: take_back(tag, moment=moment, image_ids=[one] if one else []))
        text = ngettext(
            "“%(tag)s” is suggested again for %(count)s picture.",
            "“%(tag)s” is suggested again for %(count)s pictures.",
            count,
        )
        messages.success(request, text % {"count": f"{count:,}", "tag": tag.name})
    back = _address(tag)
    return redirect(f"{back}?state=rejected" if one else back)
