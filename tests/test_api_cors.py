"""Cross-origin requests to the API."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

ORIGIN = "https://friend.example"
ALLOWED = "Access-Control-Allow-Origin"


def preflight(client: Client, path: str, origin: str = ORIGIN):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    return client.options(path, headers=headers)


def test_no_origin_is_allowed_by_default(client: Client):
    for response in (client.get("/api/search", headers={"Origin": ORIGIN}), preflight(client, "/api/images")):
        assert ALLOWED not in response


def test_a_configured_origin_is_allowed(client: Client, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    assert client.get("/api/search", headers={"Origin": ORIGIN})[ALLOWED] == ORIGIN
    asked = preflight(client, "/api/images")
    assert asked.status_code == 200
    assert asked[ALLOWED] == ORIGIN
    assert "authorization" in asked["Access-Control-Allow-Headers"]
    assert "POST" in asked["Access-Control-Allow-Methods"]


def test_other_origins_are_not_allowed(client: Client, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    for origin in ("https://evil.example", "http://friend.example", "https://friend.example.evil.example", "null"):
        assert ALLOWED not in client.get("/api/search", headers={"Origin": origin})


def test_errors_have_cors_headers_too(client: Client, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    for path, status in (("/api/nothing", 404), ("/api/search?like=x", 404), ("/api/images", 405)):
        response = client.get(path, headers={"Origin": ORIGIN})
        assert response.status_code == status
        assert response[ALLOWED] == ORIGIN


def test_pages_and_cookies_are_not_shared(client: Client, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    for path in ("/", "/search?q=red", "/api/docs", "/account/tokens/"):
        assert ALLOWED not in client.get(path, headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Credentials" not in client.get("/api/search", headers={"Origin": ORIGIN})
