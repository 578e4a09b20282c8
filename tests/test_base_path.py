"""The site under a base path: every address includes it, whether a proxy keeps or strips the path."""

import json
import re
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import get_resolver, reverse, set_script_prefix

from imagesearch import wsgi
from imagesearch.base_path import below_base_path
from imagesearch.environment import base_path
from search.models import SavedSearch
from search.objects.renditions import thumbnail_urls
from search.rendering.icons import icon
from tests.base import an_image
from tests.s3_servers import configured

ADDRESS = re.compile(r'\b(?:href|src|action|content|hx-get|hx-post|data-[a-z-]+)="(/[^"]*)"')


@pytest.fixture
def below(settings: Any) -> Any:
    """Serve the site below /pictures."""
    settings.BASE_PATH = settings.FORCE_SCRIPT_NAME = "/pictures"
    settings.STATIC_URL = "/pictures/static/"
    # Without a server, the test client takes the prefix from here.
    set_script_prefix("/pictures")
    icon.cache_clear()
    yield
    icon.cache_clear()
    set_script_prefix("/")


# The setting


@pytest.mark.parametrize("value", ["/pictures", "/pictures/", "pictures", " /pictures/ "])
def test_the_path_may_be_given_with_or_without_slashes(value: str) -> None:
    made = configured(BASE_PATH=value)

    assert made["BASE_PATH"] == made["FORCE_SCRIPT_NAME"] == "/pictures"
    assert made["STATIC_URL"] == "/pictures/static/"


@pytest.mark.parametrize("value", ["", "/", " "])
def test_no_path_is_the_default(value: str) -> None:
    made = configured(BASE_PATH=value)

    assert (made["BASE_PATH"], made["FORCE_SCRIPT_NAME"], made["STATIC_URL"]) == ("", None, "/static/")
    assert "SESSION_COOKIE_NAME" not in made


def test_cookies_are_separate_from_those_of_the_parent_site() -> None:
    made = configured(BASE_PATH="/our/pictures")

    for kind in ("SESSION", "CSRF", "LANGUAGE"):
        assert made[f"{kind}_COOKIE_PATH"] == "/our/pictures"
        assert made[f"{kind}_COOKIE_NAME"].endswith("_our_pictures")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("https://example.org/pictures", "the path alone"),
        ("/pic tures", "the path alone"),
        ("/../pictures", "the path alone"),
        ("/pictures?x", "the path alone"),
        ("/사진", "the path alone"),
        ("/images", "choose another path"),
        ("/search/pictures", "choose another path"),
    ],
)
def test_an_invalid_path_or_one_of_our_own_stops_the_start(value: str, told: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"BASE_PATH is '{re.escape(value)}'.*{told}"):
        configured(BASE_PATH=value)


def test_our_paths_lists_the_first_part_of_every_address(settings: Any) -> None:
    routes = [str(pattern.pattern) for pattern in get_resolver().url_patterns]
    [ours] = [one for one in get_resolver().url_patterns if not str(one.pattern)]
    routes += [str(pattern.pattern) for pattern in ours.url_patterns]
    first = {route.lstrip("^").split("/")[0] for route in routes} - {""}

    assert first | {"healthz", "readyz", "static"} <= set(settings.OUR_PATHS)


# Addresses


@pytest.mark.django_db
@pytest.mark.usefixtures("below")
def test_every_address_in_a_page_is_below_the_path(as_carol: Client) -> None:
    image = an_image("A mill", tags=["red"])

    for path in ("/", "/search?q=red", f"/images/{image.id}/", "/upload/", "/account/", "/admin/", "/api/docs"):
        text = as_carol.get(path).content.decode()
        found = ADDRESS.findall(text)
        assert len(found) > 5
        assert [one for one in found if not one.startswith("/pictures/")] == []
    assert 'href="/pictures/static/css/site.css"' in as_carol.get("/").content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("below")
def test_redirects_stay_below_the_path(client: Client, as_alice: Client) -> None:
    assert client.get("/upload/").url == "/pictures/accounts/login/?next=/pictures/upload/"  # type: ignore[attr-defined]
    assert client.get("/admin/").url == "/pictures/admin/login/?next=/pictures/admin/"  # type: ignore[attr-defined]
    assert client.get("/api/").url == "/pictures/api/docs"  # type: ignore[attr-defined]
    assert as_alice.post("/accounts/logout/").url == "/pictures/"  # type: ignore[attr-defined]
    asked = {"language": "ko", "next": "/pictures/search?q=red"}
    assert client.post("/language/setlang/", asked).url == asked["next"]  # type: ignore[attr-defined]


@pytest.mark.django_db
@pytest.mark.usefixtures("below")
def test_addresses_in_the_api_are_below_the_path(client: Client) -> None:
    image = an_image("A mill")

    schema = client.get("/api/openapi.json").json()
    found = client.get("/api/search").json()
    problem = client.get("/api/search?like=00000000-0000-8000-8000-000000000000").json()

    assert {path.split("/api/")[0] for path in schema["paths"]} == {"/pictures"}
    assert "(/pictures/account/tokens/)" in schema["info"]["description"]
    assert found["results"][0]["url"] == f"http://testserver/pictures/api/images/{image.id}"
    assert "/account/tokens/" not in json.dumps(found)
    assert problem["type"] == "/pictures/api/docs#no_such_query"


@pytest.mark.django_db
@pytest.mark.usefixtures("below")
def test_addresses_in_a_feed_are_below_the_path(client: Client, alice: Any) -> None:
    saved = SavedSearch.objects.create(user=alice, name="Red", query="q=red")

    text = client.get(f"/feeds/{saved.token}.atom").content.decode()

    found = re.findall(r'href="([^"]+)"', text)
    assert found
    assert all(one.startswith("http://testserver/pictures/") for one in found)


@pytest.mark.django_db
def test_cached_addresses_depend_on_the_path() -> None:
    image = an_image()
    try:
        for prefix in ("/", "/pictures/", "/", "/others/"):
            set_script_prefix(prefix)
            assert thumbnail_urls([image])[str(image.id)] == f"{prefix}images/{image.id}/400.webp"
    finally:
        set_script_prefix("/")


# Paths that a proxy keeps or strips


@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        ("/pictures/search", "/search"),
        ("/search", "/search"),
        ("/pictures/", "/"),
        ("/pictures", "/"),
        ("/", "/"),
        ("//search", "/search"),
        ("/pictures//search", "/search"),
        ("/pictures2/search", "/pictures2/search"),
        ("/static/css/site.css", "/static/css/site.css"),
        ("/pictures/pictures/", "/pictures/"),
    ],
)
@pytest.mark.usefixtures("below")
def test_a_proxy_may_keep_or_strip_the_path(asked: str, ours: str) -> None:
    assert below_base_path(asked) == ours


def test_without_the_setting_paths_are_unchanged() -> None:
    assert below_base_path("//pictures/search") == "//pictures/search"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/pictures/healthz"])
@pytest.mark.usefixtures("below")
def test_the_health_check_answers_with_and_without_the_path(path: str) -> None:
    environ = RequestFactory().get("/").environ | {"PATH_INFO": path}
    statuses: list[str] = []

    b"".join(wsgi.application(environ, lambda status, headers, *rest: statuses.append(status)))

    assert statuses == ["200 OK"]
    assert reverse("search") == "/pictures/"
    assert base_path("NOT_SET", []) == ""
