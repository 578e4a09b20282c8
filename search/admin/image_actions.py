"""What curators do to many pictures at once."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as djangos_delete_selected
from django.contrib.admin.models import CHANGE, DELETION
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.admin.forms import MOST_TAGS, TagsField
from search.admin.lists import Sturdy
from search.conflicts import is_conflict, locked_values, retried
from search.ingestion.captures import note_edits
from search.models import Image, OwedDeletion

AT_ONCE = 2_000
"""Images in a transaction: locks of some tenths of a second, some seconds on a machine that is busy all over."""

_Retag = Callable[[Sequence[str]], list[str]]
_Edit = Callable[[QuerySet[Image]], "Counter[str]"]


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
    asks = "post" not in request.POST
    with transaction.atomic():
        ids = [
            key for (key,) in (queryset.values_list("pk").order_by("pk") if asks else locked_values(queryset, "pk"))
        ]
        if not asks and _has_changed(request, ids):
            text = _("The list has changed meanwhile, and nothing was deleted. Look at it again.")
            modeladmin.message_user(request, text, messages.WARNING)
            if not ids:
                return None
            asks = True
            request.POST = _without_yes(request.POST)  # type: ignore[assignment] # as Django's own views do
        # Those and no others, whatever the list holds by the time of the next statement.
        chosen = modeladmin.get_queryset(request).filter(pk__any_of=ids)
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
    if left := OwedDeletion.objects.filter(pk__any_of=deleted).count():
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


def _by_batches(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image], edit: _Edit) -> "Counter[str]":
    """Edit any number of images, so many in a transaction that nobody waits long for one; return the sums of what
    `edit` has counted.

    Where somebody else keeps a later one locked, what was edited before stays, and the person is told.
    """
    done: Counter[str] = Counter()
    keys = list(queryset.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), AT_ONCE):
        batch = keys[start : start + AT_ONCE]
        rows = queryset.filter(pk__gte=batch[0], pk__lte=batch[-1])
        try:
            # The first is tried again by whoever handles the request.
            done += retried(partial(_in_a_transaction, edit, rows)) if start else _in_a_transaction(edit, rows)
        except OperationalError as error:
            if not done or not is_conflict(error):
                raise
            text = _(
                "Somebody else is changing some of the other pictures just now. Repeat this in a moment for those."
            )
            modeladmin.message_user(request, text, messages.WARNING)
            break
    return done


def _in_a_transaction(edit: _Edit, rows: QuerySet[Image]) -> "Counter[str]":
    with transaction.atomic():
        return edit(rows)


def _set_hidden(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image], *, hidden: bool) -> None:
    def edit(rows: QuerySet[Image]) -> Counter[str]:
        changed = [key for key, is_hidden in locked_values(rows, "pk", "hidden") if is_hidden is not hidden]
        Image.objects.filter(pk__any_of=changed).update(hidden=hidden, updated=timezone.now())
        log_images(request, changed, "hidden")
        return Counter(changed=len(changed))

    changed = _by_batches(modeladmin, request, queryset, edit)["changed"]
    if hidden:
        text = ngettext("%(count)s picture is hidden now.", "%(count)s pictures are hidden now.", changed)
    else:
        text = ngettext("%(count)s picture is shown now.", "%(count)s pictures are shown now.", changed)
    modeladmin.message_user(request, text % {"count": f"{changed:,}"}, messages.SUCCESS)


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
    def edit(rows: QuerySet[Image]) -> Counter[str]:
        changed: dict[uuid.UUID, list[str]] = {}
        full = 0
        for key, there in locked_values(rows, "pk", "tags"):
            tags = retag(there)
            if len(tags) > MOST_TAGS:
                full += 1
            elif tags != there:
                changed[key] = tags
        _write_tags(changed)
        note_edits(changed, ["tags"])
        log_images(request, list(changed), "tags")
        return Counter(changed=len(changed), full=full)

    done = _by_batches(modeladmin, request, queryset, edit)
    if full := done["full"]:
        text = _("Left as they were, since a picture has at most %(limit)s tags: %(count)s.")
        modeladmin.message_user(request, text % {"limit": MOST_TAGS, "count": f"{full:,}"}, messages.WARNING)
    changed = done["changed"]
    text = ngettext(
        "The tags of %(count)s picture have changed.", "The tags of %(count)s pictures have changed.", changed
    )
    modeladmin.message_user(request, text % {"count": f"{changed:,}"}, messages.SUCCESS)


def _write_tags(tags: Mapping[uuid.UUID, Sequence[str]]) -> None:
    """Give each image its tags, all by one statement and one text: arrays take far longer to write."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE search_image SET tags = ARRAY(SELECT json_array_elements_text(its.value)), updated = %s "
            "FROM json_each(%s::json) AS its WHERE search_image.id = its.key::uuid",
            [timezone.now(), json.dumps({str(key): each for key, each in tags.items()}, ensure_ascii=False)],
        )


def log_images(request: HttpRequest, keys: Sequence[uuid.UUID], field: str = "") -> None:
    """Note in the history of each image that this person changed `field`, or deletes it; all by one statement."""
    message = json.dumps([{"changed": {"fields": [field]}}]) if field else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_admin_log (action_time, user_id, content_type_id, object_id, object_repr, "
            "action_flag, change_message) "
            "SELECT now(), %s, %s, id, left(coalesce(nullif(title, ''), %s), 200), %s, %s "
            "FROM search_image WHERE id = ANY(%s) ORDER BY id",
            [
                request.user.pk,
                ContentType.objects.get_for_model(Image).pk,
                Image().name,
                CHANGE if field else DELETION,
                message,
                list(keys),
            ],
        )
