"""The site as an app: what browsers are told of it, what its worker keeps, and what is shared with it."""

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
    # The test client is no server: it goes by what is set.
    set_script_prefix("/pictures")
    yield "/pictures/"
    set_script_prefix("/")


def told(client: Client, **options: Any) -> dict[str, Any]:
    answer = client.get("/manifest.webmanifest", **options)
    assert answer["Content-Type"] == "application/manifest+json"
    return json.loads(answer.content)


def worker(client: Client, language: str = "en") -> tuple[dict[str, Any], str]:
    """What the worker is given, and its script."""
    answer = client.get(f"/service-worker.js?language={language}")
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("text/javascript", "no-cache")
    site = re.match(r"const SITE = (\{.*\});\n", answer.text)
    assert site
    return json.loads(site[1]), answer.text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_leads_to_the_manifest(client: Client, path: str):
    assert '<link rel="manifest" href="/manifest.webmanifest"' in client.get(path).text


def test_the_manifest_is_in_the_language_of_the_person_and_names_the_site(client: Client, settings):
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


def test_the_icons_are_there_in_the_sizes_that_are_told(client: Client):
    icons = told(client)["icons"]
    assert {(icon["sizes"], icon["purpose"]) for icon in icons} == {
        (size, purpose) for size in ("192x192", "512x512") for purpose in ("any", "maskable")
    }
    for icon in icons:
        with Picture.open(finders.find(icon["src"].removeprefix("/static/"))) as picture:
            assert "{}x{}".format(*picture.size) == icon["sizes"]
            # What launchers cut off is ground up to the edge, and around the other there is nothing.
            assert picture.convert("RGBA").getpixel((0, 0))[3] == (255 if icon["purpose"] == "maskable" else 0)


def test_below_a_path_everything_stays_there(client: Client, below_a_path: str):
    manifest = told(client)
    addresses = [manifest["id"], manifest["start_url"], manifest["scope"], manifest["share_target"]["action"]]
    addresses += [one["src"] for one in manifest["icons"]] + [one["url"] for one in manifest["shortcuts"]]
    site, _script = worker(client)
    addresses += [site["scope"], site["offline"], site["share"], site["accounts"], *site["files"]]
    assert [one for one in addresses if not one.startswith(below_a_path)] == []


@pytest.mark.parametrize(("language", "words"), [("en", "You are offline"), ("ko", 'lang="ko"'), ("x", "<html")])
def test_the_worker_keeps_the_offline_page_with_its_files_alone(client: Client, language: str, words: str):
    site, _script = worker(client, language)
    page = client.get(site["offline"]).text
    assert words in page
    named = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page)
    assert named
    assert set(named) <= set(site["files"])
    assert all(finders.find(urlsplit(one).path.removeprefix("/static/")) for one in site["files"])


def test_the_offline_page_is_the_same_for_everybody(client: Client, as_alice, settings):
    assert client.get("/offline/").content == as_alice.get("/offline/").content
    assert "csrf" not in client.get("/offline/").text
    for path in ("/offline/", "/service-worker.js", "/manifest.webmanifest"):
        for one in (client, as_alice):
            assert not one.get(path).cookies
    settings.SITE_ACCESS = "members"
    for path in ("/offline/", "/service-worker.js", "/manifest.webmanifest"):
        assert client.get(path).status_code == 200


def test_another_version_of_the_site_is_another_worker(client: Client, settings):
    before, script = worker(client)
    assert worker(client) == (before, script)
    assert worker(client, "ko")[0]["version"] != before["version"]
    settings.SITE_NAME = "Ours"
    assert worker(client)[0]["version"] != before["version"]


def test_what_is_shared_without_the_worker_is_asked_for_once_more(settings):
    client = Client(enforce_csrf_checks=True)
    large = picture_file(data=picture_bytes() + bytes(4_000_000))
    answer = client.post("/share/", {"picture": large}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "did not arrive" in answer.text
    assert 'action="/search/picture"' in answer.text


@pytest.mark.parametrize("who", ["a stranger", "a viewer", "a contributor"])
def test_who_may_not_add_pictures_is_not_offered_to(client: Client, who: str, settings, as_alice):
    settings.UPLOAD_LOGIN_REQUIRED = True
    if who == "a viewer":
        viewer = User.objects.create_user("viewer")
        viewer.groups.set([group_of(VIEWER)])
        client.force_login(viewer)
    page = (as_alice if who == "a contributor" else client).get("/share/").text
    assert ('action="/upload/"' in page) == (who == "a contributor")
    assert ("/accounts/login/?next=/share/" in page) == (who == "a stranger")
