"""URL patterns of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path, register_converter

from search.objects import storage
from search.views import (
    accounts,
    added_pictures,
    album_links,
    albums,
    completion,
    curating,
    feeds,
    images,
    installed_app,
    mapping,
    password_reset,
    picture_sets,
    regions,
    reports,
    robots,
    saved_searches,
    search_syntax_help,
    searching,
    second_factor,
    tag_suggestions,
    timeline,
    tokens,
    uploading,
)


class RenditionWidth:
    """The sizes of renditions, and no others, so that nobody can have thousands made."""

    regex = "|".join(map(str, storage.WIDTHS))

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


class RowId:
    """The integer id of a row, with at most as many digits as PostgreSQL's bigint holds."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(RenditionWidth, "rendition_width")
register_converter(RowId, "row_id")

urlpatterns = [
    path("robots.txt", robots.robots, name="robots"),
    # Side by side: pages resolve the URL of the worker by that of the manifest, and a worker controls what is below
    # its own path.
    path("manifest.webmanifest", installed_app.manifest, name="manifest"),
    path("service-worker.js", installed_app.service_worker, name="service-worker"),
    path("offline/", installed_app.offline, name="offline"),
    path("share/", installed_app.share, name="share"),
    path("", searching.search, name="search"),
    path("search", searching.search, name="results"),
    path("search/help/", search_syntax_help.search_help, name="search-help"),
    path("timeline/", timeline.timeline, name="timeline"),
    path("map/", mapping.map_page, name="map"),
    path("map/points", mapping.map_points, name="map-points"),
    path("map/marks", mapping.map_marks, name="map-marks"),
    path("map/pictures", mapping.map_pictures, name="map-pictures"),
    path("map/selection", mapping.map_selection, name="map-selection"),
    path("search/suggestions", completion.suggestions, name="suggestions"),
    path("search/picture", searching.search_by_picture, name="search-by-picture"),
    path("search/address", searching.search_by_address, name="search-by-address"),
    path("search/picture/<uuid:token>.webp", searching.query_picture, name="query-picture"),
    path("images/<uuid:image_id>/", images.image, name="image"),
    path("images/<uuid:image_id>/<rendition_width:longest>.webp", images.rendition, name="rendition"),
    path("images/<uuid:image_id>/download", images.download, name="download"),
    path("images/<uuid:image_id>/region", regions.search_by_region, name="search-by-region"),
    path("images/<uuid:image_id>/report/", reports.report, name="report"),
    path("images/<uuid:image_id>/tags", tag_suggestions.decide_tag, name="decide-tag"),
    path("selection/download", picture_sets.download_selection, name="download-selection"),
    path("selection/share", picture_sets.share_selection, name="share-selection"),
    path("selection/change", curating.change_selection, name="change-selection"),
    path("selection/undo", curating.undo_change, name="undo-change"),
    path("selection/all", curating.all_results, name="all-results"),
    path("sets/<uuid:set_id>/", picture_sets.picture_set, name="picture-set"),
    path("albums/", albums.albums, name="albums"),
    path("albums/<row_id:album_id>/", albums.album, name="album"),
    path("albums/<row_id:album_id>/edit", albums.edit, name="edit-album"),
    path("albums/<row_id:album_id>/arrange", albums.arrange, name="arrange-album"),
    path("albums/<row_id:album_id>/cover", albums.choose_cover, name="choose-cover"),
    path("albums/<row_id:album_id>/delete", albums.delete, name="delete-album"),
    path("albums/<row_id:album_id>/download", albums.download_album, name="download-album"),
    path("albums/<row_id:album_id>/new-link", album_links.renew, name="renew-album-link"),
    path("albums/shared/<uuid:token>/", album_links.shared_album, name="shared-album"),
    path("albums/shared/<uuid:token>/download", album_links.download_shared, name="download-shared-album"),
    path("saved/", saved_searches.saved_searches, name="saved-searches"),
    path("saved/save", saved_searches.save, name="save-search"),
    path("saved/<row_id:search_id>/", saved_searches.saved_search, name="saved-search"),
    path("saved/<row_id:search_id>/cover", saved_searches.cover, name="saved-search-cover"),
    path("saved/<row_id:search_id>/rename", saved_searches.rename, name="rename-search"),
    path("saved/<row_id:search_id>/delete", saved_searches.delete, name="delete-search"),
    path("feeds/<uuid:token>.atom", feeds.feed, name="feed"),
    path("upload/", uploading.upload, name="upload"),
    path("upload/read", uploading.read, name="read-picture"),
    path("upload/added", added_pictures.keep, name="keep-added"),
    path("upload/added/<uuid:set_id>/", added_pictures.added, name="added"),
    path("account/", accounts.account, name="account"),
    path("accounts/sign-up/", accounts.sign_up, name="sign-up"),
    path("accounts/login/", accounts.LogIn.as_view(), name="login"),
    path("accounts/login/code/", accounts.enter_code, name="enter-code"),
    path("accounts/reset/", password_reset.reset_password, name="reset-password"),
    path("accounts/reset/<uidb64>/<token>/", password_reset.ChoosePassword.as_view(), name="choose-password"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/password/", accounts.ChangePassword.as_view(), name="change-password"),
    path("account/email/", accounts.email, name="email"),
    path("account/second-factor/", second_factor.page, name="second-factor"),
    path("account/tokens/", tokens.api_tokens, name="api-tokens"),
    path("account/tokens/<row_id:token_id>/revoke", tokens.revoke, name="revoke-api-token"),
]
