"""URLs of the whole site."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.utils.functional import lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

from imagesearch.resolvers import LateResolver
from search.views import errors

urlpatterns = [
    path("admin/", admin.site.urls),
    path("language/", include("django.conf.urls.i18n")),
    path("api/", RedirectView.as_view(pattern_name="api:openapi-view")),
    # Imported at its first request: ninja and pydantic take 0.2 s, and few processes need them.
    LateResolver("api/", "search.api.urls", app_name="ninja", namespace="api"),
    # Unknown API URLs get problem details, in development too.
    re_path("^api/", csrf_exempt(errors.not_found)),
    # Some browsers request it whatever the page says.
    path("favicon.ico", RedirectView.as_view(url=lazy(static, str)("img/mark.svg"))),
    path("", include("search.urls")),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
