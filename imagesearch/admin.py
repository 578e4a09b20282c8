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
from django.urls import URLPattern, URLResolver, path, reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from search.accounts import second_factor
from search.models import Report, SignUp
from search.relevance import due

OURS = "search"
_QUEUES: dict[Any, Callable[[], QuerySet[Any]]] = {
    Report: lambda: Report.objects.filter(resolved=None, image__trashed=None),
    SignUp: SignUp.waiting,
}
"""Pending items per model, for its count on the overview."""


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
        from search.admin import state  # noqa: PLC0415 - the lists register themselves with this site on import

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
        context = {
            "is_unmeasured": due.should_warn(),
            "measure": due.MEASURE,
            "may_see_state": request.user.has_perm("search.change_image"),
            "may_settle": request.user.has_perms(["search.change_image", "search.delete_image"]),
            "may_compare": any(request.user.has_perm(f"search.{name}_image") for name in ("view", "change")),
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
                    _count_waiting(model)
        return apps


def _count_waiting(model: dict[str, Any]) -> None:
    if model["model"] in _QUEUES:
        model["waiting"] = _QUEUES[model["model"]]().count()
        if model["waiting"]:
            values = {"name": model["name"], "count": model["waiting"]}
            model["name"] = gettext("%(name)s (%(count)s waiting)") % values
