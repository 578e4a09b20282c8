"""The run ledger: when runs ran, their counts, and files that were not added."""

import csv
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from search.admin import picture_html, stored_texts
from search.admin.image_list_filters import Choice, Choices
from search.admin.model_admin_bases import BoundedPaginator, ReadOnly
from search.admin.retrying import command_for, obstacle, retry_view
from search.http.id_parsing import uuid_of
from search.models import Run, RunFile
from search.objects.zip_download import harmless

FILES_PER_PAGE = 100
SHOWN_PLACES = 3
_COUNTS = ("added", "known", "changed", "updated", "restored", "trashed", "deleted", "refused", "failed")


class RunStateFilter(Choice):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(value, state_name(value)) for value in (Run.RUNNING, "done", "stopped", "failed", Run.INTERRUPTED)]

    def passing(self, queryset: QuerySet[Run], value: str) -> QuerySet[Run]:
        return queryset.filter(pk__in=Run.objects.in_state(value).values("pk"))


class LeftOutFilter(Choice):
    title = gettext_lazy("files")
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("out", gettext_lazy("Some were rejected or failed")), ("added", gettext_lazy("Some were added"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        if self.value() == "out":
            return queryset.filter(Q(refused__gt=0) | Q(failed__gt=0))
        return queryset.filter(added__gt=0) if self.value() == "added" else queryset


def state_name(state: str) -> str:
    """Return the label of a run's state."""
    names = {
        Run.RUNNING: _("in progress"),
        "done": _("done"),
        "stopped": _("stopped"),
        "failed": pgettext("a run", "failed"),
        Run.INTERRUPTED: _("interrupted"),
    }
    return names[state]


@admin.register(Run)
class RunAdmin(ReadOnly):
    actions = None
    search_fields = ("by__username", "account", "machine", "places", "files__name")
    search_help_text = gettext_lazy("A user, a machine, a location, or the name of a file that was not added.")
    list_select_related = ("by",)
    list_display = ("what", "state_badge", "who", "when", "took", "became", "where")
    list_display_links = ("what",)
    list_filter: ClassVar = (RunStateFilter, LeftOutFilter, "kind", "door", "started")

    class Media:
        css: ClassVar = {"all": ["admin-search/runs_and_state.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return Run.objects.with_state()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        # Nothing is added, changed or deleted here, and runs have no history.
        return [
            path("<int:pk>/retry/", view(retry_view), name="search_run_retry"),
            path("<int:pk>/files.csv", view(files_view), name="search_run_files"),
            *(one for one in super().get_urls() if (one.name or "").endswith(("_changelist", "_change"))),
        ]

    # Permissions

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see(request)

    # Display

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """The page of one run, with the names of files that were not added."""
        context |= {
            "title": f"{obj.get_kind_display()} {obj.pk}",
            "subtitle": None,
            "opts": self.opts,
            "run": obj,
            "who": _who(obj),
            "state": _badge(obj),
            "took": duration(obj.lasted.total_seconds()),
            "counts": [(_label(name), f"{getattr(obj, name):,}") for name in _COUNTS],
            "left_alone": _left_alone(obj),
            "retried_by": list(Run.objects.filter(retries=obj.pk).order_by("-pk").values_list("pk", flat=True)[:10]),
            "obstacle": obstacle(obj),
            "command": command_for(obj),
            **_files_of(obj, request),
        }
        return TemplateResponse(request, "admin/search/run/change_form.html", context)

    @admin.display(description=gettext_lazy("type"), ordering="pk")
    def what(self, run: Run) -> str:
        return f"{run.get_kind_display()} {run.pk}"

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, run: Run) -> SafeString:
        return _badge(run)

    @admin.display(description=gettext_lazy("user"))
    def who(self, run: Run) -> SafeString:
        return _who(run)

    @admin.display(description=gettext_lazy("date"), ordering="started")
    def when(self, run: Run) -> str:
        return picture_html.moment(run.started)

    @admin.display(description=gettext_lazy("duration"))
    def took(self, run: Run) -> str:
        return duration(run.lasted.total_seconds())

    @admin.display(description=gettext_lazy("files"))
    def became(self, run: Run) -> SafeString:
        """Counts of the files, with a link to those that were rejected or failed."""
        counts = _("%(added)s added, %(known)s already here") % {"added": f"{run.added:,}", "known": f"{run.known:,}"}
        if not run.left_out:
            return format_html("{}", counts)
        page = reverse("admin:search_run_change", args=[run.pk])
        left_out = _("%(left)s not added") % {"left": f"{run.left_out:,}"}
        return format_html('{}, <a href="{}#files">{}</a>', counts, page, left_out)

    @admin.display(description=gettext_lazy("source"))
    def where(self, run: Run) -> SafeString:
        if not run.places:
            return format_html("{}", run.get_door_display())
        more = len(run.places) - SHOWN_PLACES
        shown = format_html_join(", ", "<bdi>{}</bdi>", ((place,) for place in run.places[:SHOWN_PLACES]))
        return format_html("{} +{}", shown, more) if more > 0 else shown


def may_see(request: HttpRequest) -> bool:
    """Whether the user may see runs: file names reveal paths on the server, so only curators may."""
    return request.user.has_perm("search.change_image")


def _badge(run: Run) -> SafeString:
    is_wrong = run.state in (Run.Outcome.FAILED, Run.INTERRUPTED)
    return format_html('<span class="badge{}">{}</span>', " is-wrong" if is_wrong else "", state_name(run.state))


def _who(run: Run) -> SafeString:
    if run.by:
        return format_html("<bdi>{}</bdi>", run.by.get_username())
    if run.account:
        return format_html("<bdi>{}@{}</bdi>", run.account, run.machine)
    return format_html("{}", _("a visitor"))


def duration(seconds: float) -> str:
    """Format a duration in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.1f}" if seconds < 10 else whole}
    if whole < 3600:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": whole // 60, "seconds": whole % 60}
    return _("%(hours)s h %(minutes)s min") % {"hours": f"{whole // 3600:,}", "minutes": whole % 3600 // 60}


def _label(name: str) -> str:
    return str(Run._meta.get_field(name).verbose_name)  # type: ignore[union-attr] # they are plain fields


def _left_alone(run: Run) -> list[tuple[str, str]]:
    kinds = sorted(run.left_alone.items(), key=lambda one: (-one[1], one[0]))
    return [(kind or _("hidden, excluded, in recycle bins, previews"), f"{count:,}") for kind, count in kinds]


def _files_of(run: Run, request: HttpRequest) -> dict[str, Any]:
    """Return a page of a run's files, of one kind if that is requested."""
    counts = dict(run.files.order_by().values_list("kind").annotate(Count("pk")))
    chosen = request.GET.get("kind", "")
    files = run.files.filter(kind=chosen) if chosen in RunFile.Kind.values else run.files.all()
    page = BoundedPaginator(files.order_by("pk"), FILES_PER_PAGE).get_page(request.GET.get("p", 1))
    for file in page:
        file.image_id = _image_id(file.name)
        file.reason = stored_texts.reason(file.reason)
    unnamed = run.left_out - sum(counts.get(kind, 0) for kind in (RunFile.Kind.FAILED, RunFile.Kind.REFUSED))
    return {
        "files": page,
        "kinds": [(kind, name, f"{counts[kind]:,}") for kind, name in RunFile.Kind.choices if kind in counts],
        "kind": chosen,
        "unnamed": max(0, unnamed),
        "unnamed_text": f"{max(0, unnamed):,}",
    }


def _image_id(name: str) -> uuid.UUID | None:
    """Return the id of the picture that a file became, if its name is one."""
    return uuid_of(name) if len(name) == 36 else None


def files_view(request: HttpRequest, pk: int) -> Any:
    """All named files of a run, as CSV."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if not may_see(request):
        raise PermissionDenied
    run = Run.objects.filter(pk=pk).first()
    if run is None:  # it was old, and is removed
        messages.warning(request, _("Run %(number)s no longer exists.") % {"number": pk})
        return redirect("admin:search_run_changelist")
    chosen = request.GET.get("kind", "")
    files = run.files.filter(kind=chosen) if chosen in RunFile.Kind.values else run.files.all()
    response = StreamingHttpResponse(_lines(files.order_by("pk")), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}.csv"'
    return response


class _Echo:
    def write(self, line: str) -> str:
        return line


def _lines(files: "QuerySet[RunFile]") -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # else Excel assumes another encoding
    yield writer.writerow(["what", "name", "reason", "address"])
    for file in files.iterator(chunk_size=1_000):
        yield writer.writerow([file.kind, *map(harmless, (file.name, file.reason, file.address))])
