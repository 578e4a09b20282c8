"""Duplicate groups side by side, for curators to decide which picture to keep."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.admin import picture_html
from search.admin.concurrent_edits import busy
from search.admin.duplicate_facts import Fact, facts_of
from search.admin.image_actions import digest
from search.admin.undoing import with_undo
from search.duplicates.decisions import part, settle
from search.duplicates.groups import MOST_SHOWN, Group, pending_groups
from search.duplicates.merging import Kept, Merging, Suggested, keep, suggested
from search.http.id_parsing import page_number, uuid_of
from search.models import DuplicatePair, Fingerprint, Image
from search.models.conflicts import Conflict, retried
from search.objects import storage

PER_PAGE = 10
SAMPLES = 20


def may_decide(request: HttpRequest) -> bool:
    return request.user.has_perms(["search.change_image", "search.delete_image"])


@dataclass
class Shown:
    image: Image
    facts: list[Fact]
    is_suggested: bool
    large: str


@dataclass
class ShownGroup:
    """`more`: how many further pictures of the group are shown after these are decided."""

    images: list[Shown]
    reason: Any
    is_exact: bool
    more: int = 0
    ids: list[uuid.UUID] = field(default_factory=list)

    @property
    def ids_best_first(self) -> list[uuid.UUID]:
        """In the order of the page: the suggested one first."""
        return [shown.image.pk for shown in self.images]


def duplicates_view(request: HttpRequest) -> HttpResponse:
    """The undecided groups, a few a page."""
    if not may_decide(request):
        raise PermissionDenied
    kind = _kind(request.GET.get("kind", ""))
    if request.method == "POST":
        return _decided(request, kind)
    groups = pending_groups(kind)
    page = Paginator(groups, PER_PAGE).get_page(request.GET.get("page"))
    shown = _shown(list(page.object_list))
    context = {
        **admin.site.each_context(request),
        "title": _("Duplicates"),
        "kind": kind,
        "kinds": DuplicatePair.Kind.choices,
        "page": page,
        "here": f"?kind={kind}&page={page.number}",
        "groups": shown,
        # Not for similar shots, which need a look each, nor where pictures are deleted for good.
        "together": shown if kind == DuplicatePair.Kind.SAME and settings.TRASH_DAYS and len(shown) > 1 else [],
        "count": len(groups),
        "exact": sum(group.is_exact for group in groups),
        "not_compared": Fingerprint.objects.filter(is_compared=False).exists() or not Fingerprint.objects.exists(),
        "keeps_trash": bool(settings.TRASH_DAYS),
    }
    return TemplateResponse(request, "admin/search/image/duplicates.html", context)


def exact_view(request: HttpRequest) -> HttpResponse:
    """Settle all groups of identical pixels at once, after a confirmation with their number."""
    if not may_decide(request):
        raise PermissionDenied
    groups = [group for group in pending_groups() if group.is_exact]
    back = redirect("admin:search_image_duplicates")
    if not groups:
        return back
    ids = [one for group in groups for one in group.ids]
    if request.method == "POST":
        if request.POST.get("expected") == digest(ids):
            _kept(request, _suggestions(groups))
            return back
        messages.warning(request, _("The list of duplicates has changed. Check it again."))
    sample = list(Image.objects.for_lists().filter(pk__in=[group.ids[0] for group in groups[:SAMPLES]]))
    picture_html.with_thumbnails(sample)
    context = {
        **admin.site.each_context(request),
        "title": _("Resolve all exact copies"),
        "count": len(groups),
        "going": len(ids) - len(groups),
        "digest": digest(ids),
        "samples": [picture_html.thumbnail(image) for image in sample],
        "more": len(groups) - len(sample),
        "keeps_trash": bool(settings.TRASH_DAYS),
    }
    return TemplateResponse(request, "admin/search/image/duplicates_exact.html", context)


def _kind(text: str) -> str:
    return text if text in DuplicatePair.Kind.values else DuplicatePair.Kind.SAME


def _decided(request: HttpRequest, kind: str) -> HttpResponse:
    back = redirect(_way_back(request, kind))
    if "together" in request.POST:
        _kept_together(request, kind)
        return back
    ids = _ids(request.POST.getlist("ids")[:MOST_SHOWN])
    chosen = next((name for name in ("keep", "part", "stay") if name in request.POST), "")
    one = uuid_of(request.POST.get(chosen, ""))
    if len(ids) < 2 or (chosen != "stay" and one not in ids):
        messages.error(request, _("This group has changed. Check it again."))
    elif chosen == "keep" and one:
        _kept(request, [Kept(one, [other for other in ids if other != one])])
    elif chosen == "part" and one:
        retried(lambda: part(one, ids, by=request.user, kind=kind))
        messages.success(request, _("This picture will no longer be grouped with the others."))
    else:
        retried(lambda: settle(ids, by=request.user, kind=kind))
        messages.success(request, _("All of them are kept, and this group will not be suggested again."))
    return back


def _way_back(request: HttpRequest, kind: str) -> str:
    """Return the URL of the same page: decided groups have left it, and others have moved up."""
    page = page_number(request)
    return f"{reverse('admin:search_image_duplicates')}?kind={kind}{f'&page={page}' if page > 1 else ''}"


def _kept_together(request: HttpRequest, kind: str) -> None:
    """Keep the first picture of each posted group, unless the group has changed since the page was loaded."""
    pending = {one: number for number, group in enumerate(pending_groups(kind)) for one in group.ids}
    asked = [_ids(text.split(",")[:MOST_SHOWN]) for text in request.POST.getlist("together")[:PER_PAGE]]
    groups: dict[int, list[uuid.UUID]] = {}  # by the pending group, so that no group is decided twice
    for ids in asked:
        numbers = {pending.get(one, -1) for one in ids}
        if len(ids) > 1 and len(numbers) == 1 and -1 not in numbers:
            groups.setdefault(numbers.pop(), ids)
    if groups and settings.TRASH_DAYS:
        _kept(request, [Kept(best, others) for best, *others in groups.values()])
    if len(groups) < len(asked) or not asked:
        messages.warning(request, _("Some groups have changed. Check them again."))


def _ids(texts: Sequence[str]) -> list[uuid.UUID]:
    return [one for one in map(uuid_of, texts) if one]


def _kept(request: HttpRequest, groups: Sequence[Kept]) -> None:
    try:
        merging = retried(lambda: keep(groups, by=request.user))
    except Conflict:
        messages.error(request, busy())
        return
    messages.add_message(request, *_result_message(merging))
    if merging.is_partial:
        messages.warning(request, busy())


def _result_message(merging: Merging) -> tuple[int, Any]:
    if not merging.going:
        return messages.WARNING, _("This group has changed. Check it again.")
    if settings.TRASH_DAYS:
        text = ngettext(
            "%(count)s picture was moved to the trash, and its details were merged.",
            "%(count)s pictures were moved to the trash, and their details were merged.",
            merging.going,
        )
    else:
        text = ngettext(
            "%(count)s picture was deleted permanently.", "%(count)s pictures were deleted permanently.", merging.going
        )
    return messages.SUCCESS, with_undo(text % {"count": f"{merging.going:,}"}, merging.revision)


def _suggestions(groups: Sequence[Group]) -> list[Kept]:
    images = _images([one for group in groups for one in group.ids])
    kept = []
    for group in groups:
        own = [images[one] for one in group.ids if one in images]
        if len(own) > 1:
            best = suggested(own).image.pk
            kept.append(Kept(best, [image.pk for image in own if image.pk != best]))
    return kept


def _images(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Image]:
    found: dict[uuid.UUID, Image] = (
        Image.objects.filter(pk__any_of=ids).defer("embedding").select_related("capture").in_bulk()
    )
    return found


def _shown(groups: Sequence[Group]) -> list[ShownGroup]:
    images = _images([one for group in groups for one in group.ids[:MOST_SHOWN]])
    picture_html.with_thumbnails(list(images.values()))
    shown = []
    for group in groups:
        own = [images[one] for one in group.ids[:MOST_SHOWN] if one in images]
        if len(own) > 1:
            shown.append(_group(own, suggested(own), group))
    return shown


def _group(images: Sequence[Image], best: Suggested, group: Group) -> ShownGroup:
    shown = [
        Shown(image, facts, image.pk == best.image.pk, reverse("rendition", args=[image.pk, storage.DISPLAY]))
        for image, facts in zip(images, facts_of(images), strict=True)
    ]
    shown.sort(key=lambda one: not one.is_suggested)
    return ShownGroup(shown, best.reason, group.is_exact, len(group.ids) - len(images), [image.pk for image in images])
