"""The trash: deleted pictures, to be restored or deleted permanently."""

import datetime as dt
import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.admin import picture_html
from search.admin.image_actions import digest, has_changed, warn_of_files
from search.admin.model_admin_bases import ReadOnly, SturdyList
from search.admin.undoing import FORM, with_undo
from search.curation import Restore, change
from search.models import Revision, Trashed
from search.state.trash_and_history_retention import bytes_in, delete_for_good

SAMPLES = 20


class TrashList(SturdyList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        trashed = self.result_list = list(self.result_list)
        picture_html.with_thumbnails([one.image for one in trashed])


@admin.register(Trashed)
class TrashedAdmin(ReadOnly):
    list_per_page = 100
    list_select_related = ("image", "by")
    list_display = ("preview", "name", "who", "when", "left", "size", "restoring")
    list_display_links = None
    list_filter: ClassVar = (("by", admin.RelatedOnlyFieldListFilter), "created")
    search_fields = ("image__title", "image__description")
    search_help_text = gettext_lazy("Text of the title or the description.")
    actions = ("restore", "delete_for_good")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SturdyList]:
        return TrashList

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Trashed]":
        return super().get_queryset(request).defer("image__embedding", "image__description")

    def get_urls(self) -> list[URLPattern]:
        empty = path("empty/", self.admin_site.admin_view(self.empty_view), name="search_trashed_empty")
        restore = path(
            "<uuid:image_id>/restore/", self.admin_site.admin_view(self.restore_view), name="search_trashed_restore"
        )
        # Single pictures are otherwise handled by the list's actions, which say how many.
        return [empty, restore, *(one for one in super().get_urls() if (one.name or "").endswith("_changelist"))]

    # Permissions

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("search.delete_image")

    # Actions

    @admin.action(permissions=["view"], description=gettext_lazy("Restore the selected pictures"))
    def restore(self, request: HttpRequest, queryset: "QuerySet[Trashed]") -> None:
        self._restore(request, list(queryset.values_list("image", flat=True)))

    def restore_view(self, request: HttpRequest, image_id: uuid.UUID) -> HttpResponse:
        """Restore one picture, by the button in its row. GET changes nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        back = redirect("admin:search_trashed_changelist")

        def work() -> HttpResponse:
            self._restore(request, [image_id])
            return back

        return self.with_patience(request, work, lambda: back)

    def _restore(self, request: HttpRequest, ids: list[uuid.UUID]) -> None:
        revision = change(ids, Restore(), by=request.user, door=Revision.Door.ADMIN)
        text = ngettext("%(count)s picture was restored.", "%(count)s pictures were restored.", revision.count)
        message = with_undo(text % {"count": f"{revision.count:,}"}, revision)
        self.message_user(request, message, messages.SUCCESS)

    @admin.action(permissions=["view"], description=gettext_lazy("Delete the selected pictures permanently"))
    def delete_for_good(self, request: HttpRequest, queryset: "QuerySet[Trashed]") -> HttpResponse | None:
        """Delete permanently after a confirmation, as for moving pictures to the trash."""
        ids = list(queryset.order_by("image").values_list("image", flat=True))
        if "post" not in request.POST:
            return self._asked(request, ids)
        if has_changed(request, ids):
            self.message_user(request, _changed(), messages.WARNING)
            return self._asked(request, ids) if ids else None
        self._delete(request, ids)
        return None

    def empty_view(self, request: HttpRequest) -> HttpResponse:
        """Empty the trash, after a confirmation."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        ids = list(Trashed.objects.order_by("image").values_list("image", flat=True))
        if request.method == "POST" and request.POST.get("expected") == digest(ids):
            back = redirect("admin:search_trashed_changelist")

            def work() -> HttpResponse:
                self._delete(request, ids)
                return back

            return self.with_patience(request, work, lambda: back)
        if request.method == "POST":
            self.message_user(request, _changed(), messages.WARNING)
        return self._asked(request, ids, empties=True) if ids else redirect("admin:search_trashed_changelist")

    def _delete(self, request: HttpRequest, ids: list[Any]) -> None:
        deleted = delete_for_good(Trashed.objects.filter(image__pk__any_of=ids), request.user)
        text = ngettext(
            "%(count)s picture was deleted permanently.", "%(count)s pictures were deleted permanently.", deleted
        )
        self.message_user(request, text % {"count": f"{deleted:,}"}, messages.SUCCESS)
        warn_of_files(self, request, ids)

    def _asked(self, request: HttpRequest, ids: list[Any], *, empties: bool = False) -> HttpResponse:
        rows = Trashed.objects.filter(image__pk__any_of=ids)
        sample = [one.image for one in rows.select_related("image").defer("image__embedding")[:SAMPLES]]
        picture_html.with_thumbnails(sample)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Delete permanently"),
            "opts": self.opts,
            "count": len(ids),
            "bytes": bytes_in(rows),
            "digest": digest(ids),
            "ids": [] if empties or request.POST.get("select_across") == "1" else ids,
            "first": ids[0],
            "empties": empties,
            "samples": [picture_html.thumbnail(image) for image in sample],
            "more": len(ids) - len(sample),
        }
        return TemplateResponse(request, "admin/search/trashed/delete_for_good.html", context)

    # Display

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "title": _("Trash"),
            "in_trash": Trashed.objects.count(),
            "bytes_in_trash": bytes_in(Trashed.objects.all()),
            "trash_days": settings.TRASH_DAYS,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @admin.display(description=gettext_lazy("picture"))
    def preview(self, trashed: Trashed) -> SafeString:
        return picture_html.thumbnail(trashed.image)

    @admin.display(description=gettext_lazy("title"), ordering="image__title")
    def name(self, trashed: Trashed) -> SafeString:
        hidden = picture_html.visibility(trashed.image) if trashed.was_hidden else ""
        return format_html("<bdi>{}</bdi> {}", trashed.image.name, hidden)

    @admin.display(description=gettext_lazy("user"), empty_value="–")
    def who(self, trashed: Trashed) -> SafeString | None:
        return picture_html.person(trashed.by)

    @admin.display(description=gettext_lazy("date"), ordering="created")
    def when(self, trashed: Trashed) -> str:
        return picture_html.moment(trashed.created)

    @admin.display(description=gettext_lazy("days left"), ordering="created")
    def left(self, trashed: Trashed) -> str:
        left = trashed.created + dt.timedelta(days=settings.TRASH_DAYS) - timezone.now()
        return f"{max(0, left.days + (left.seconds > 0)):,}"

    @admin.display(description=gettext_lazy("size"), ordering="image__byte_size")
    def size(self, trashed: Trashed) -> str:
        return filesizeformat(trashed.image.byte_size)

    @admin.display(description=gettext_lazy("restore"))
    def restoring(self, trashed: Trashed) -> SafeString:
        address = reverse("admin:search_trashed_restore", args=[trashed.pk])
        template = '<button type="submit" class="undo" form="{}" formaction="{}">{}</button>'
        return format_html(template, FORM, address, _("Restore"))


def _changed() -> str:
    return _("The list has changed, so nothing was deleted. Check it again.")
