"""Addresses of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path, register_converter

from search import storage
from search.views import accounts, images, reports, searching, uploading


class RenditionWidth:
    """One of the sizes that are made, so that nobody can have a thousand others made."""

    regex = "|".join(map(str, storage.WIDTHS))

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(RenditionWidth, "rendition_width")

urlpatterns = [
    path("", searching.search, name="search"),
    path("search", searching.search, name="results"),
    path("search/picture", searching.search_by_picture, name="search-by-picture"),
    path("search/picture/<uuid:token>.webp", searching.query_picture, name="query-picture"),
    path("images/<uuid:image_id>/", images.image, name="image"),
    path("images/<uuid:image_id>/<rendition_width:longest>.webp", images.rendition, name="rendition"),
    path("images/<uuid:image_id>/download", images.download, name="download"),
    path("images/<uuid:image_id>/report/", reports.report, name="report"),
    path("upload/", uploading.upload, name="upload"),
    path("accounts/sign-up/", accounts.sign_up, name="sign-up"),
    path("accounts/login/", accounts.LogIn.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/password/", accounts.ChangePassword.as_view(), name="change-password"),
]
