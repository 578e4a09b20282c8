"""Access to the whole site: with SITE_ACCESS=members no address reveals the collection to anonymous users."""

import base64
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imagesearch.rate_settings import Rate
from search.models import ApiToken
from search.web.site_access import OPEN_VIEWS
from tests.test_every_address import World

pytestmark = pytest.mark.django_db

CLOSED = {301, 302, 401}


@pytest.fixture
def world(settings: Any) -> World:
    settings.SITE_ACCESS = "members"
    return World()


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"alice:{secret}".encode()).decode()}


def test_anonymous_users_see_nothing_at_any_address(world: World, client: Client):
    secrets = [str(world.shown.pk), "hidden &quot;", world.search.token.hex, "plain", "onerror"]
    tried = set()
    for address in world.addresses():
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            answer = client.generic(method, address.path)
            if address.name in OPEN_VIEWS:
                assert not any(secret in answer.content.decode() for secret in secrets), address
                continue
            tried.add(address.name)
            assert answer.status_code in CLOSED | {405}, (address, method)
            assert answer.status_code not in {301, 302} or "/accounts/login/" in answer["Location"], address
            body = answer.content.decode()
            # Only the redirect may contain the requested address.
            assert not any(secret in body for secret in secrets), (address, method)
    assert {"search", "rendition", "feed", "picture-set", "api:search", "api:openapi-json", "admin:index"} <= tried


def test_pages_for_logging_in_stay_open(world: World, client: Client):
    page = client.get("/accounts/login/")
    assert "This page requires an account." in page.text
    assert "Timeline" not in page.text
    assert 'name="q"' not in page.text
    assert client.get("/").headers["Location"] == "/accounts/login/?next=/"
    assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"
    assert client.get("/favicon.ico").status_code == 302
    answer = client.post("/accounts/login/?next=/", {"username": "alice", "password": "alice's secret"})
    assert answer.headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert "private" in client.get("/").headers["Cache-Control"]


def test_an_htmx_request_is_redirected_to_the_login(world: World, client: Client):
    headers = {"HX-Request": "true", "HX-Target": "found", "HX-Current-URL": "http://testserver/search?q=red"}
    answer = client.get("/search?q=red", headers=headers)
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=%2Fsearch%3Fq%3Dred"
    assert not answer.content


def test_api_clients_and_feed_readers_use_a_token(world: World, client: Client):
    secret = ApiToken.issue(world.alice, "mine")[1]
    feed = reverse("feed", args=[world.search.token])
    for wrong in ({}, {"Authorization": "Bearer pix_wrong"}, {"Authorization": "Bearer"}, basic(secret)):
        answer = client.get("/api/search", headers=wrong)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
    for wrong in ({}, basic("pix_wrong"), {"Authorization": "Basic é"}, {"Authorization": "Basic AAAA="}):
        answer = client.get(feed, headers=wrong)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert client.get("/api/search", headers={"Authorization": f"Bearer {secret}"}).json()["found"] == 1
    assert client.get("/api/openapi.json", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert client.get(feed, headers=basic(secret)).status_code == 200
    world.alice.is_active = False
    world.alice.save()
    assert client.get("/api/search", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    assert client.get(feed, headers=basic(secret)).status_code == 401


def test_wrong_tokens_of_feed_readers_are_counted(world: World, client: Client, settings: Any):
    settings.LIMITS = {"TOKENS": (Rate(1, 60),)}
    feed = reverse("feed", args=[world.search.token])
    assert [client.get(feed, headers=basic(f"pix_{one}")).status_code for one in "ab"] == [401, 429]


def test_a_public_site_is_visible_to_everyone(client: Client):
    assert client.get("/").status_code == 200
    assert "private" not in client.get("/").headers.get("Cache-Control", "")
