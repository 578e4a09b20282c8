"""Reports as a queue: pending ones first, each next to its picture."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.admin import picture_html
from search.admin.image_list_filters import StateFilter
from search.admin.model_admin_bases import LongList, SturdyList, image_ids, log_changes
from search.admin.undoing import with_undo
from search.models import Image, Report, Revision

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ReportList(SturdyList):
    def get_results(self, request: HttpRequest) -> None:
        """Load the rows of one page, with what takes one query for all of them."""
        super().get_results(request)
        reports = self.result_list = list(self.result_list)
        picture_html.with_thumbnails([report.image for report in reports])
        waiting = Counter(
            Report.objects.filter(resolved=None, image__in=[report.image_id for report in reports]).values_list(
                "image", flat=True
            )
        )
        may = self.model_admin.decisions(request)  # type: ignore[attr-defined]
        for report in reports:
            report.others = waiting[report.image_id] - (report.resolved is None)
            report.decisions = {**may, "preserved_filters": self.preserved_filters}


@admin.register(Report)
class ReportAdmin(LongList):
    list_select_related = ("image", "reporter", "resolver")
    list_display = ("preview", "what", "picture", "reported_by", "reported", "others", "decision")
    list_display_links = ("what",)
    list_filter: ClassVar = (StateFilter, "reason", "created")
    search_fields = ("details", "image__title", "reporter__username")
    search_help_text = gettext_lazy(
        "Text of the details or the picture's title, a user name, or the id or address of a picture."
    )
    actions = ("resolve_selected", "hide_selected", "reopen_selected")
    fields = readonly_fields = (
        "large_picture",
        "picture",
        "reason",
        "details",
        "reporter",
        "created",
        "others_of_picture",
        "resolved",
        "resolver",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SturdyList]:
        return ReportList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Report]:
        return (
            super().get_queryset(request).filter(image__trashed=None).defer("image__embedding", "image__description")
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/resolve/", view(self.resolve_view), name="search_report_resolve"),
            path("<int:pk>/reopen/", view(self.reopen_view), name="search_report_reopen"),
            *super().get_urls(),
        ]

    # Permissions

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Always False: reports come from the page of a picture."""
        return False

    def has_hide_permission(self, request: HttpRequest) -> bool:
        """Hiding also changes a picture."""
        return self.has_change_permission(request) and request.user.has_perm("search.change_image")

    def decisions(self, request: HttpRequest) -> dict[str, bool]:
        return {"may_resolve": self.has_change_permission(request), "may_hide": self.has_hide_permission(request)}

    # Decisions

    @admin.action(permissions=["change"], description=gettext_lazy("Resolve the selected reports"))
    def resolve_selected(self, request: HttpRequest, queryset: QuerySet[Report]) -> None:
        self._resolve_all(request, queryset, hide=False)

    @admin.action(permissions=["hide"], description=gettext_lazy("Hide the pictures and resolve"))
    def hide_selected(self, request: HttpRequest, queryset: QuerySet[Report]) -> None:
        self._resolve_all(request, queryset, hide=True)

    @admin.action(permissions=["change"], description=gettext_lazy("Reopen the selected reports"))
    def reopen_selected(self, request: HttpRequest, queryset: QuerySet[Report]) -> None:
        self._reopen(request, queryset.values_list("pk", flat=True))

    def resolve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Resolve one report; with `hide` in the form, hide its picture too."""
        hide = "hide" in request.POST
        allowed = self.has_hide_permission(request) if hide else self.has_change_permission(request)
        report = self._asked_for(request, pk, allowed=allowed)
        if isinstance(report, HttpResponse):
            return report
        if report.resolved and not hide:
            text = _("%(user)s has already resolved this report.")
            self.message_user(request, text % {"user": report.resolver or _("Someone")}, messages.WARNING)
            return self.response_post_save_change(request, report)
        return self._decided(request, report, lambda: self._resolve(request, [report.pk], hide=hide))

    def reopen_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        report = self._asked_for(request, pk, allowed=self.has_change_permission(request))
        if isinstance(report, HttpResponse):
            return report
        return self._decided(request, report, lambda: self._reopen(request, [report.pk]))

    def _decided(self, request: HttpRequest, report: Report, decide: Callable[[], None]) -> HttpResponse:
        def back() -> HttpResponse:
            answer: HttpResponse = self.response_post_save_change(request, report)
            return answer

        def work() -> HttpResponse:
            decide()
            return back()

        return self.with_patience(request, work, back)

    def _asked_for(self, request: HttpRequest, pk: int, *, allowed: bool) -> Report | HttpResponse:
        """Return the report of a pressed button, or the response to send instead. GET changes nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not allowed:
            raise PermissionDenied
        report = self.get_queryset(request).select_related("image", "resolver").filter(pk=pk).first()
        if report is None:
            self.message_user(request, _("This report has been deleted."), messages.WARNING)
            return redirect("admin:search_report_changelist")
        return report

    def _resolve_all(self, request: HttpRequest, queryset: QuerySet[Report], *, hide: bool) -> None:
        self._resolve(request, queryset.filter(resolved=None).values_list("pk", flat=True), hide=hide)

    def _resolve(self, request: HttpRequest, keys: Iterable[int], *, hide: bool) -> None:
        with transaction.atomic():
            hidden, closed = Report.resolve_all(list(keys), cast("User", request.user), hide=hide)
            log_changes(request, closed, "resolved")
            hiding = Revision.objects.filter(kind=Revision.Kind.HIDE, by=request.user.pk, edits__image__in=hidden[:1])
            revision = hiding.order_by("-pk").first()
        if hidden:
            text = ngettext("%(count)s picture is now hidden.", "%(count)s pictures are now hidden.", len(hidden))
            told = text % {"count": len(hidden)}
            self.message_user(request, with_undo(told, revision) if revision else told, messages.SUCCESS)
        text = ngettext("%(count)s report was resolved.", "%(count)s reports were resolved.", len(closed))
        self.message_user(request, text % {"count": len(closed)}, messages.SUCCESS)

    def _reopen(self, request: HttpRequest, keys: Iterable[int]) -> None:
        with transaction.atomic():
            opened = Report.reopen_all(list(keys))
            log_changes(request, opened, "resolved")
        text = ngettext("%(count)s report was reopened.", "%(count)s reports were reopened.", len(opened))
        self.message_user(request, text % {"count": len(opened)}, messages.SUCCESS)

    # Display

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Report], search_term: str
    ) -> tuple[QuerySet[Report], bool]:
        if ids := image_ids(search_term):
            return queryset.filter(image__in=ids), False
        return super().get_search_results(request, queryset, search_term)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"title": _("Report"), "decisions": self.decisions(request)}
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("picture"))
    def preview(self, report: Report) -> SafeString:
        return format_html('<a href="{}">{}</a>', _address(report.image), picture_html.thumbnail(report.image))

    @admin.display(description=gettext_lazy("report"), ordering="reason")
    def what(self, report: Report) -> SafeString:
        details = Truncator(report.details).chars(200)
        return format_html('{}<span class="details" dir="auto">{}</span>', report.get_reason_display(), details)

    @admin.display(description=gettext_lazy("title"), ordering="image__title")
    def picture(self, report: Report) -> SafeString:
        link = format_html('<a dir="auto" href="{}">{}</a>', _address(report.image), report.image.name)
        badge = picture_html.visibility(report.image) if report.image.hidden else ""
        return format_html("{} {}", link, badge)

    @admin.display(description=gettext_lazy("reported by"), ordering="reporter__username")
    def reported_by(self, report: Report) -> str:
        return report.reporter.get_username() if report.reporter else _("Someone without an account")

    @admin.display(description=gettext_lazy("created"), ordering="created")
    def reported(self, report: Report) -> str:
        return picture_html.moment(report.created)

    @admin.display(description=gettext_lazy("other reports"), empty_value="")
    def others(self, report: Report) -> SafeString | None:
        """The number of other pending reports on the same picture."""
        count: int = report.others  # type: ignore[attr-defined]
        text = _("%(count)s more pending") % {"count": count}
        return format_html('<a href="?q={}">{}</a>', report.image_id, text) if count else None

    @admin.display(description=gettext_lazy("decision"))
    def decision(self, report: Report) -> str:
        context = {"report": report, **report.decisions}  # type: ignore[attr-defined]
        return render_to_string("admin/search/report/decision.html", context)

    @admin.display(description=gettext_lazy("picture"))
    def large_picture(self, report: Report) -> SafeString:
        return picture_html.large(report.image)

    @admin.display(description=gettext_lazy("other pending reports"))
    def others_of_picture(self, report: Report) -> SafeString | str:
        others = Report.objects.filter(image=report.image_id, resolved=None).exclude(pk=report.pk).count()
        address = f"{reverse('admin:search_report_changelist')}?q={report.image_id}"
        return format_html('<a href="{}">{}</a>', address, others) if others else _("None")


def _address(image: Image) -> str:
    return reverse("admin:search_image_change", args=[image.pk])
