"""The site as an installable app: manifest, icons, service worker and share target."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import set_script_prefix
from PIL import Image as Picture

from search.accounts.roles import VIEWER, group_of
from tests.base import picture_bytes, picture_file

pytestmark = pytest.mark.django_db

PAGES = ("/", "/accounts/login/", "/no/such/page/")


@pytest.fixture
def below_a_path(settings):
    settings.FORCE_SCRIPT_NAME, settings.STATIC_URL = "/pictures", "/pictures/static/"
    # Without a server, the test client takes the prefix from here.
    set_script_prefix("/pictures")
    yield "/pictures/"
    set_script_prefix("/")


def told(client: Client, **options: Any) -> dict[str, Any]:
    answer = client.get("/manifest.webmanifest", **options)
    assert answer["Content-Type"] == "application/manifest+json"
    return json.loads(answer.content)


def worker(client: Client, language: str = "en") -> tuple[dict[str, Any], str]:
    """The configuration of the service worker, and its script."""
    answer = client.get(f"/service-worker.js?language={language}")
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("text/javascript", "no-cache")
    site = re.match(r"const SITE = (\{.*\});\n", answer.text)
    assert site
    return json.loads(site[1]), answer.text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_links_to_the_manifest(client: Client, path: str):
    assert '<link rel="manifest" href="/manifest.webmanifest"' in client.get(path).text


def test_the_manifest_has_the_language_of_the_user_and_the_name_of_the_site(client: Client, settings):
    assert told(client)["name"] == "Picture search"
    assert told(client, headers={"Accept-Language": "ko"})["lang"] == "ko"
    assert told(client, headers={"Accept-Language": "ko"})["name"] == "이미지 검색"
    settings.SITE_NAME = "Ours & <theirs>"
    assert told(client)["name"] == told(client)["short_name"] == settings.SITE_NAME
    for path in PAGES:
        page = client.get(path).text
        assert "Ours &amp; &lt;theirs&gt;</span>" in page
        assert "· Ours &amp; &lt;theirs&gt;" in page
        assert "<theirs>" not in page


def test_the_icons_exist_in_the_declared_sizes(client: Client):
    icons = told(client)["icons"]
    assert {(icon["sizes"], icon["purpose"]) for icon in icons} == {
        (size, purpose) for size in ("192x192", "512x512") for purpose in ("any", "maskable")
    }
    for icon in icons:
        with Picture.open(finders.find(icon["src"].removeprefix("/static/"))) as picture:
            assert "{}x{}".format(*picture.size) == icon["sizes"]
            # A maskable icon has a background up to the edge, for launchers to crop; the other is transparent there.
            assert picture.convert("RGBA").getpixel((0, 0))[3] == (255 if icon["purpose"] == "maskable" else 0)


def test_all_addresses_include_the_base_path(client: Client, below_a_path: str):
    manifest = told(client)
    addresses = [manifest["id"], manifest["start_url"], manifest["scope"], manifest["share_target"]["action"]]
    addresses += [one["src"] for one in manifest["icons"]] + [one["url"] for one in manifest["shortcuts"]]
    site, _script = worker(client)
    addresses += [site["scope"], site["offline"], site["share"], site["accounts"], *site["files"]]
    assert [one for one in addresses if not one.startswith(below_a_path)] == []


@pytest.mark.parametrize(("language", "words"), [("en", "You are offline"), ("ko", 'lang="ko"'), ("x", "<html")])
def test_the_service_worker_caches_only_the_offline_page_and_its_files(client: Client, language: str, words: str):
    site, _script = worker(client, language)
    page = client.get(site["offline"]).text
    assert words in page
    named = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page)
    assert named
    assert set(named) <= set(site["files"])
    assert all(finders.find(urlsplit(one).path.removeprefix("/static/")) for one in site["files"])


def test_the_offline_page_is_the_same_for_all_users(client: Client, as_alice, settings):
    assert client.get("/offline/").content == as_alice.get("/offline/").content
    assert "csrf" not in client.get("/offline/").text
    for path in ("/offline/", "/service-worker.js", "/manifest.webmanifest"):
        for one in (client, as_alice):
            assert not one.get(path).cookies
    settings.SITE_ACCESS = "members"
    for path in ("/offline/", "/service-worker.js", "/manifest.webmanifest"):
        assert client.get(path).status_code == 200


def test_the_version_of_the_service_worker_changes_with_the_site(client: Client, settings):
    before, script = worker(client)
    assert worker(client) == (before, script)
    assert worker(client, "ko")[0]["version"] != before["version"]
    settings.SITE_NAME = "Ours"
    assert worker(client)[0]["version"] != before["version"]


def test_sharing_without_the_service_worker_asks_for_the_picture_again(settings):
    client = Client(enforce_csrf_checks=True)
    large = picture_file(data=picture_bytes() + bytes(4_000_000))
    answer = client.post("/share/", {"picture": large}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "did not arrive" in answer.text
    assert 'action="/search/picture"' in answer.text


@pytest.mark.parametrize("who", ["a stranger", "a viewer", "a contributor"])
def test_the_share_page_offers_uploading_only_with_permission(client: Client, who: str, settings, as_alice):
    settings.UPLOAD_LOGIN_REQUIRED = True
    if who == "a viewer":
        viewer = User.objects.create_user("viewer")
        viewer.groups.set([group_of(VIEWER)])
        client.force_login(viewer)
    page = (as_alice if who == "a contributor" else client).get("/share/").text
    assert ('action="/upload/"' in page) == (who == "a contributor")
    assert ("/accounts/login/?next=/share/" in page) == (who == "a stranger")
