"""What curators do to many pictures at once."""

import hashlib
import uuid
from collections.abc import Callable, Sequence

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as djangos_delete_selected
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.admin.forms import MOST_TAGS, TagsField
from search.admin.lists import Sturdy, log_changes
from search.conflicts import locked
from search.models import Image, OwedDeletion

_Retag = Callable[[Sequence[str]], list[str]]


@admin.action(permissions=["change"], description=gettext_lazy("Hide the selected pictures"))
def hide(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    _set_hidden(modeladmin, request, queryset, hidden=True)


@admin.action(permissions=["change"], description=gettext_lazy("Show the selected pictures"))
def show(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    _set_hidden(modeladmin, request, queryset, hidden=False)


@admin.action(permissions=["change"], description=gettext_lazy("Add the tags to the selected pictures"))
def add_tags(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    tags = _written_tags(modeladmin, request)

    def united(there: Sequence[str]) -> list[str]:
        known = {tag.casefold() for tag in there}
        return [*there, *(tag for tag in tags if tag.casefold() not in known)]

    if tags:
        _set_tags(modeladmin, request, queryset, united)


@admin.action(permissions=["change"], description=gettext_lazy("Remove the tags from the selected pictures"))
def remove_tags(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    tags = {tag.casefold() for tag in _written_tags(modeladmin, request)}
    if tags:
        _set_tags(modeladmin, request, queryset, lambda there: [tag for tag in there if tag.casefold() not in tags])


@admin.action(permissions=["delete"], description=gettext_lazy("Delete the selected pictures"))
def delete_selected(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> HttpResponse | None:
    """Django's own, after a page that asks. Where all of a long list is selected, that page names no ids but a digest
    of them, and asks again when the list holds others by then."""
    if modeladmin.too_many(request, queryset):
        return None
    asks = "post" not in request.POST
    with transaction.atomic():
        ids = sorted(queryset.values_list("pk", flat=True)) if asks else [image.pk for image in _locked(queryset)]
        if not asks and _has_changed(request, ids):
            text = _("The list has changed meanwhile, and nothing was deleted. Look at it again.")
            modeladmin.message_user(request, text, messages.WARNING)
            if not ids:
                return None
            asks = True
            request.POST = _without_yes(request.POST)  # type: ignore[assignment] # as Django's own views do
        # Those and no others, whatever the list holds by the time of the next statement.
        chosen = modeladmin.get_queryset(request).filter(pk__in=ids)
        response: HttpResponse | None = djangos_delete_selected(modeladmin, request, chosen)
    if isinstance(response, TemplateResponse):
        across = request.POST.get("select_across") == "1"
        context = {"across": across, "count": len(ids), "digest": _digest(ids)}
        response.context_data = {**(response.context_data or {}), **context}
    elif not asks:
        tell_of_files(modeladmin, request, ids)
    return response


def tell_of_files(modeladmin: Sturdy, request: HttpRequest, deleted: Sequence[uuid.UUID]) -> None:
    """Tell the person where files of deleted pictures are still there, as when the storage hangs."""
    if left := OwedDeletion.objects.filter(pk__in=deleted).count():
        text = ngettext(
            "The files of %(count)s picture are still being removed from the storage.",
            "The files of %(count)s pictures are still being removed from the storage.",
            left,
        )
        later = _("What it does not let go of now is removed with the next deletion, or by manage.py reconcile.")
        modeladmin.message_user(request, f"{text % {'count': f'{left:,}'}} {later}", messages.WARNING)


def _has_changed(request: HttpRequest, ids: Sequence[uuid.UUID]) -> bool:
    """Whether these are others than those that the person was asked about. Who names them one by one need not say."""
    asked_about = request.POST.get("expected")
    if asked_about is None:
        return request.POST.get("select_across") == "1"
    return asked_about != _digest(ids)


def _digest(ids: Sequence[uuid.UUID]) -> str:
    return hashlib.sha256(b"".join(sorted(image_id.bytes for image_id in ids))).hexdigest()


def _without_yes(sent: QueryDict) -> QueryDict:
    rest = sent.copy()
    rest.pop("post", None)
    return rest


def _set_hidden(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image], *, hidden: bool) -> None:
    if modeladmin.too_many(request, queryset):
        return
    with transaction.atomic():
        images = Image.hide_all(_locked(queryset), hidden=hidden)
        log_changes(request, images, "hidden")
    if hidden:
        text = ngettext("%(count)s picture is hidden now.", "%(count)s pictures are hidden now.", len(images))
    else:
        text = ngettext("%(count)s picture is shown now.", "%(count)s pictures are shown now.", len(images))
    modeladmin.message_user(request, text % {"count": f"{len(images):,}"}, messages.SUCCESS)


def _written_tags(modeladmin: Sturdy, request: HttpRequest) -> list[str]:
    """The tags beside the action; none, and the person is told why, where they can't be used."""
    try:
        tags: list[str] = TagsField(required=False).clean(request.POST.get("tags", ""))
    except ValidationError as problem:
        modeladmin.message_user(request, " ".join(problem.messages), messages.ERROR)
        return []
    if not tags:
        modeladmin.message_user(request, _("Write the tags beside the action first."), messages.WARNING)
    return tags


def _set_tags(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image], retag: _Retag) -> None:
    if modeladmin.too_many(request, queryset):
        return
    changed, full = [], 0
    with transaction.atomic():
        for image in _locked(queryset):
            tags = retag(image.tags)
            if len(tags) > MOST_TAGS:
                full += 1
            elif tags != image.tags:
                image.tags, image.updated = tags, timezone.now()
                changed.append(image)
        Image.objects.bulk_update(changed, ["tags", "updated"], batch_size=500)
        log_changes(request, changed, "tags")
    if full:
        text = _("Left as they were, since a picture has at most %(limit)s tags: %(count)s.")
        modeladmin.message_user(request, text % {"limit": MOST_TAGS, "count": f"{full:,}"}, messages.WARNING)
    text = ngettext(
        "The tags of %(count)s picture have changed.", "The tags of %(count)s pictures have changed.", len(changed)
    )
    modeladmin.message_user(request, text % {"count": f"{len(changed):,}"}, messages.SUCCESS)


def _locked(queryset: QuerySet[Image]) -> list[Image]:
    return locked(queryset.select_related(None).defer(None).only("title", "tags", "hidden"))
