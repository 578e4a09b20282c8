"""Bulk actions of the list of pictures."""

import hashlib
import uuid
from collections.abc import Callable, Sequence

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as djangos_delete_selected
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.admin.model_admin_bases import Sturdy
from search.admin.undoing import with_undo
from search.curation import Change, Hide, Show, Tag, Trash, Untag, change
from search.curation.change_kinds import skipped_message
from search.http.form_fields import TagsField
from search.models import Image, OwedDeletion, Revision
from search.models.conflicts import locked_values


@admin.action(permissions=["change"], description=gettext_lazy("Hide the selected pictures"))
def hide(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    _change(modeladmin, request, queryset, Hide())


@admin.action(permissions=["change"], description=gettext_lazy("Make the selected pictures visible"))
def show(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    _change(modeladmin, request, queryset, Show())


@admin.action(permissions=["change"], description=gettext_lazy("Add the tags to the selected pictures"))
def add_tags(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    _change_tags(modeladmin, request, queryset, Tag)


@admin.action(permissions=["change"], description=gettext_lazy("Remove the tags from the selected pictures"))
def remove_tags(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> None:
    _change_tags(modeladmin, request, queryset, Untag)


@admin.action(permissions=["delete"], description=gettext_lazy("Delete the selected pictures"))
def delete_selected(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image]) -> HttpResponse | None:
    """Delete after a confirmation, as Django's own. With all of a long list selected, the confirmation has a digest of
    the ids instead of the ids, and asks again if the list has changed since."""
    asks = "post" not in request.POST
    with transaction.atomic():
        ids = [
            key for (key,) in (queryset.values_list("pk").order_by("pk") if asks else locked_values(queryset, "pk"))
        ]
        if not asks and has_changed(request, ids):
            text = _("The list has changed, so nothing was deleted. Check it again.")
            modeladmin.message_user(request, text, messages.WARNING)
            if not ids:
                return None
            asks = True
            request.POST = _without_yes(request.POST)  # type: ignore[assignment] # as Django's own views do
        if not asks:
            revision = change(ids, Trash(), by=request.user, door=Revision.Door.ADMIN, search=_query(request))
            in_trash = report_trash(modeladmin, request, revision)
    if not asks:
        if not in_trash:
            warn_of_files(modeladmin, request, ids)
        return None
    chosen = modeladmin.get_queryset(request).filter(pk__any_of=ids)
    response: HttpResponse | None = djangos_delete_selected(modeladmin, request, chosen)
    if isinstance(response, TemplateResponse):
        across = request.POST.get("select_across") == "1"
        context = {"across": across, "count": len(ids), "digest": digest(ids), "trash_days": settings.TRASH_DAYS}
        response.context_data = {**(response.context_data or {}), **context}
    return response


def report_trash(modeladmin: Sturdy, request: HttpRequest, revision: Revision) -> bool:
    """Report the deletion to the user; return whether the pictures are in the trash."""
    count = revision.count
    if settings.TRASH_DAYS:
        text = ngettext(
            "%(count)s picture was moved to the trash.", "%(count)s pictures were moved to the trash.", count
        ) % {"count": f"{count:,}"}
    else:
        text = ngettext(
            "%(count)s picture was deleted permanently.", "%(count)s pictures were deleted permanently.", count
        ) % {"count": f"{count:,}"}
    modeladmin.message_user(request, with_undo(text, revision), messages.SUCCESS)
    return bool(settings.TRASH_DAYS)


def warn_of_files(modeladmin: Sturdy, request: HttpRequest, deleted: Sequence[uuid.UUID]) -> None:
    """Warn the user if files of deleted pictures still exist, as when the storage hangs."""
    if left := OwedDeletion.objects.filter(pk__any_of=deleted).count():
        text = ngettext(
            "The files of %(count)s picture are still being removed from the storage.",
            "The files of %(count)s pictures are still being removed from the storage.",
            left,
        )
        later = _("Remaining files are removed with the next deletion, or by manage.py reconcile.")
        modeladmin.message_user(request, f"{text % {'count': f'{left:,}'}} {later}", messages.WARNING)


def has_changed(request: HttpRequest, ids: Sequence[uuid.UUID]) -> bool:
    """Whether the ids differ from those confirmed. A form that lists them one by one needs no digest."""
    asked_about = request.POST.get("expected")
    if asked_about is None:
        return request.POST.get("select_across") == "1"
    return asked_about != digest(ids)


def digest(ids: Sequence[uuid.UUID]) -> str:
    return hashlib.sha256(b"".join(sorted(image_id.bytes for image_id in ids))).hexdigest()


def _without_yes(sent: QueryDict) -> QueryDict:
    rest = sent.copy()
    rest.pop("post", None)
    return rest


def _query(request: HttpRequest) -> str:
    return str(request.META.get("QUERY_STRING", ""))


def _change(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image], done: Change) -> None:
    revision = change(queryset, done, by=request.user, door=Revision.Door.ADMIN, search=_query(request))
    count = revision.count
    if revision.is_partial:
        text = _("Someone else is changing some of the other pictures. Repeat this for them in a moment.")
        modeladmin.message_user(request, text, messages.WARNING)
    if revision.full:
        modeladmin.message_user(request, skipped_message(revision), messages.WARNING)
    if isinstance(done, Hide):
        text = ngettext("%(count)s picture is now hidden.", "%(count)s pictures are now hidden.", count)
    elif isinstance(done, Show):
        text = ngettext("%(count)s picture is now visible.", "%(count)s pictures are now visible.", count)
    else:
        text = ngettext(
            "The tags of %(count)s picture were changed.", "The tags of %(count)s pictures were changed.", count
        )
    modeladmin.message_user(request, with_undo(text % {"count": f"{count:,}"}, revision), messages.SUCCESS)


def _change_tags(
    modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image], kind: Callable[[Sequence[str]], Change]
) -> None:
    if tags := _written_tags(modeladmin, request):
        _change(modeladmin, request, queryset, kind(tags))


def _written_tags(modeladmin: Sturdy, request: HttpRequest) -> list[str]:
    """Return the tags beside the action; none, with an error message, if they are invalid."""
    try:
        tags: list[str] = TagsField(required=False).clean(request.POST.get("tags", ""))
    except ValidationError as problem:
        modeladmin.message_user(request, " ".join(problem.messages), messages.ERROR)
        return []
    if not tags:
        modeladmin.message_user(request, _("Enter the tags next to the action first."), messages.WARNING)
    return tags
