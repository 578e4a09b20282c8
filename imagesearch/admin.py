"""The frame of the admin: its name, what comes first, and how many reports are waiting."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from search.models import Report

OURS = "search"


class CurationSite(admin.AdminSite):
    site_header = _("Curate the collection")
    site_title = _("Curate the collection")
    index_title = _("Overview")
    # Django's own would lack the slash below a path, where a proxy may know no such address.
    site_url = reverse_lazy("search")  # type: ignore[assignment] # lazy text, that templates take as any other
    # Its lists are wide, and there are four of them: the overview leads to each.
    enable_nav_sidebar = False

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The pictures first, then people; reports say how many are waiting."""
        apps = super().get_app_list(request, app_label)
        apps.sort(key=lambda app: app["app_label"] != OURS)
        for app in apps:
            for model in app["models"]:
                if model["model"] is Report:
                    model["waiting"] = Report.objects.filter(resolved=None).count()
                    if model["waiting"]:
                        model["name"] = gettext("%(name)s (%(count)s waiting)") % {
                            "name": model["name"],
                            "count": model["waiting"],
                        }
        return apps
