"""What curators do to many pictures at once."""

from collections.abc import Callable, Sequence

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as djangos_delete_selected
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.admin.forms import MOST_TAGS, TagsField
from search.admin.lists import Sturdy, log_changes
from search.models import Image

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
    """Django's own, after a page that asks. Where all of a long list is selected, that page names no ids but how many
    there are, and nothing is deleted when there are others by then."""
    if modeladmin.too_many(request, queryset):
        return None
    with transaction.atomic():
        count = queryset.count()
        if request.POST.get("expected", str(count)) != str(count):
            text = _("The list has changed meanwhile, and nothing was deleted. Look at it again.")
            modeladmin.message_user(request, text, messages.ERROR)
            return None
        response: HttpResponse | None = djangos_delete_selected(modeladmin, request, queryset)
    if isinstance(response, TemplateResponse):
        across = request.POST.get("select_across") == "1"
        response.context_data = {**(response.context_data or {}), "across": across, "count": count}
    return response


def _set_hidden(modeladmin: Sturdy, request: HttpRequest, queryset: QuerySet[Image], *, hidden: bool) -> None:
    if modeladmin.too_many(request, queryset):
        return
    with transaction.atomic():
        images = _locked(queryset.filter(hidden=not hidden))
        Image.objects.filter(pk__in=[image.pk for image in images]).update(hidden=hidden, updated=Now())
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
    # In the order of their ids, so that two curators wait for each other and do not lock each other out.
    rows = queryset.select_related(None).order_by("pk").select_for_update(of=("self",))
    return list(rows.defer(None).only("title", "tags", "hidden"))
