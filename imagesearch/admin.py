"""The admin site: title, order of the apps, and counts of pending reports and sign-ups."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse, reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from search.accounts import second_factor
from search.duplicates.groups import pending_groups
from search.models import Report, SignUp
from search.relevance import missing_calibration
from search.tagging.overview import waiting_by_tag

OURS = "search"
RECENT_ACTIONS = 10
_QUEUES: dict[Any, Callable[[], QuerySet[Any]]] = {
    Report: lambda: Report.objects.filter(resolved=None, image__trashed=None),
    SignUp: SignUp.waiting,
}
"""Pending items per model, for its count on the overview."""
_CALLED = {"Revision": _("History"), "Trashed": _("Trash")}
"""Names on the overview that differ from the model's."""
_ORDER = (
    "Image", "Report", "Duplicates", "VocabularyTag", "Revision", "Trashed", "Run", "State", "SignUp", "Compare",
)  # fmt: skip
"""Order of the overview: curation first, then what is looked up, then the rest."""


def view_on_site(request: HttpRequest, content_type_id: str, object_id: str) -> HttpResponse:
    """Redirect to an object's page. Raises Http404 where an invalid id makes Django's shortcut raise other errors."""
    try:
        response: HttpResponse = shortcut(request, content_type_id, object_id)
    except (ValidationError, DataError, OverflowError, TypeError) as error:
        raise Http404 from error
    return response


class CurationSite(admin.AdminSite):
    site_header = _("Curate the collection")
    site_title = _("Curate the collection")
    index_title = _("Overview")
    # Django's default has no trailing slash under a base path, and a proxy may not route that.
    site_url = reverse_lazy("search")  # type: ignore[assignment] # lazy text works in templates like any other
    # Its lists are wide and few; the overview links to each.
    enable_nav_sidebar = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from search.admin import state  # noqa: PLC0415 - the model_admin_bases register themselves with this site on import

        view = self.admin_view
        return [
            path("r/<path:content_type_id>/<path:object_id>/", view(view_on_site), name="view_on_site"),
            path("state/", view(state.state_view), name="state"),
            path("state/look/", view(state.look_view), name="state-look"),
            *super().get_urls(),
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and not second_factor.is_missing(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Use the site's own login page: one counter of attempts, and one place that asks for the second factor."""
        from search.views import accounts, errors  # noqa: PLC0415 - for page requests, not for every command

        if not request.user.is_authenticated:
            return accounts.LogIn.as_view(next_page="admin:index")(request)
        if self.has_permission(request):
            return redirect("admin:index")
        if second_factor.is_missing(request.user):
            return redirect("second-factor")
        return errors.forbidden(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Use the site's own page, which counts wrong old passwords."""
        return redirect("change-password")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The overview, with problems that only the operators can fix."""
        from search.admin.stored_texts import localise  # noqa: PLC0415 - as above

        recent = self.get_log_entries(request).filter(user=request.user.pk)[:RECENT_ACTIONS]
        context = {
            "recent": localise(recent),
            "is_unmeasured": missing_calibration.should_warn(),
            "measure": missing_calibration.MEASURE,
            "duplicates": len(pending_groups()) if _may_settle(request) else 0,
            "suggestions": sum(waiting_by_tag().values()) if request.user.has_perm("search.change_image") else 0,
        }
        return super().index(request, {**context, **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps, ours first; on the overview with counts of pending items."""
        apps = super().get_app_list(request, app_label)
        apps.sort(key=lambda app: app["app_label"] != OURS)
        # Django builds this list for each page of the admin, and shows it only on the overview.
        if request.resolver_match and request.resolver_match.url_name in ("index", "app_list"):
            for app in apps:
                for model in app["models"]:
                    model["name"] = _CALLED.get(model["object_name"], model["name"])
                    _count_waiting(model)
                if app["app_label"] == OURS:
                    app["models"] = sorted([*app["models"], *_pages(request)], key=_place)
        return apps


def _place(model: dict[str, Any]) -> int:
    name = model["object_name"]
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _may_settle(request: HttpRequest) -> bool:
    return request.user.has_perms(["search.change_image", "search.delete_image"])


def _pages(request: HttpRequest) -> list[dict[str, Any]]:
    """Return pages without a model, as entries of the overview."""
    may_change = request.user.has_perm("search.change_image")
    may_compare = may_change or request.user.has_perm("search.view_image")
    pages = (
        ("Duplicates", _("Duplicates"), "admin:search_image_duplicates", _may_settle(request), False),
        ("State", _("State"), "admin:state", may_change, True),
        ("Compare", _("Compare models"), "admin:search_image_compare", may_compare, True),
    )
    return [
        {"object_name": key, "name": name, "admin_url": reverse(view), "view_only": view_only, "model": None}
        for key, name, view, is_allowed, view_only in pages
        if is_allowed
    ]


def _count_waiting(model: dict[str, Any]) -> None:
    if model["model"] in _QUEUES:
        model["waiting"] = _QUEUES[model["model"]]().count()
        if model["waiting"]:
            values = {"name": model["name"], "count": model["waiting"]}
            model["name"] = gettext("%(name)s (%(count)s pending)") % values
