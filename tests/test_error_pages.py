"""Error pages say what went wrong, and what can be done about it."""

import html
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from search.accounts.roles import VIEWER, give
from search.models import Image, PictureSet, SavedSearch
from search.objects import storage
from tests.base import picture_file, stored_image

pytestmark = pytest.mark.django_db


def told(answer: Any) -> str:
    """The text of a page."""
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", answer.text)).split())


# CSRF failures


SENT_BY_BROWSERS = {"accept": "text/html", "origin": "http://testserver"}


def again(page: Any) -> dict[str, str]:
    """The fields of the form that an error page offers to send again."""
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    return {html.unescape(name): html.unescape(value) for name, value in fields}


@pytest.mark.parametrize("access", ["public", "members"])
def test_what_was_typed_is_kept_when_the_login_has_ended_meanwhile(as_carol: Client, settings, access: str):
    settings.SITE_ACCESS = access
    image = stored_image()
    form = f"/admin/search/image/{image.id}/change/"
    typed = {"title": 'A "title" <b>', "description": "one\ntwo", "_save": "Save"}
    curator = Client(enforce_csrf_checks=True)
    curator.cookies = as_carol.cookies
    curator.get("/accounts/password/")
    typed["csrfmiddlewaretoken"] = curator.cookies["csrftoken"].value
    session = curator.cookies.pop("sessionid")

    ended = curator.post(form, typed, headers=SENT_BY_BROWSERS)
    assert ended.status_code == 403
    assert "You are no longer logged in." in told(ended)
    assert {**again(ended), "csrfmiddlewaretoken": ""} == {**typed, "csrfmiddlewaretoken": ""}

    # A login has changed the token.
    curator.cookies["sessionid"] = session.value
    expired = curator.post(form, {**again(ended), "csrfmiddlewaretoken": "x" * 64}, headers=SENT_BY_BROWSERS)
    assert expired.status_code == 403
    assert "This form has expired." in told(expired)
    assert again(expired)["title"] == typed["title"]
    assert curator.post(form, again(expired), headers=SENT_BY_BROWSERS).status_code != 403


def test_no_error_page_contains_a_password_or_what_another_site_sent(browser: Client):
    secret = {"username": "alice", "password": "alice's secret", "csrfmiddlewaretoken": "x" * 64}
    refused = browser.post("/accounts/login/", secret, headers=SENT_BY_BROWSERS)
    foreign = Client().post(
        "/admin/search/image/", {"title": "planted"}, headers={**SENT_BY_BROWSERS, "origin": "https://elsewhere.org"}
    )

    assert refused.status_code == 403
    assert "alice&#x27;s secret" not in refused.text
    assert "planted" not in foreign.text
    assert foreign.status_code == 302


@pytest.fixture
def browser() -> Client:
    """A browser that has loaded the login page."""
    browser = Client(enforce_csrf_checks=True)
    browser.get("/accounts/login/")
    return browser


def send(browser: Client, **headers: str) -> Any:
    token = browser.cookies["csrftoken"].value if "csrftoken" in browser.cookies else "x" * 64
    sent = {"username": "bob", "password": "wrong", "csrfmiddlewaretoken": token}
    return browser.post("/accounts/login/", sent, headers=headers)


def test_a_form_with_our_cookie_and_origin_is_accepted(browser: Client):
    assert send(browser, host="testserver", origin="http://testserver").status_code == 200


def test_a_missing_cookie_is_reported_as_such():
    answer = send(Client(enforce_csrf_checks=True))
    assert answer.status_code == 403
    assert "Your browser did not send the cookie of this site. Allow cookies" in told(answer)


def test_a_form_loaded_before_the_login_has_expired(browser: Client):
    browser.cookies["csrftoken"] = "y" * 32
    answer = browser.post("/accounts/login/", {"csrfmiddlewaretoken": "z" * 64})
    assert answer.status_code == 403
    assert "This form has expired." in told(answer)
    assert "cookie" not in told(answer)


@pytest.mark.parametrize(
    ("origin", "host", "way"),
    [
        ("http://testserver:8080", "testserver", "The proxy drops the port"),
        ("http://testserver", "testserver:8080", "The proxy drops the port"),
        ("https://testserver", "testserver", "Set HTTPS=on"),
        ("http://127.0.0.1:9000", "testserver", "configure the proxy to pass on the Host header"),
    ],
)
def test_a_proxy_that_changes_the_host_is_not_reported_as_a_missing_cookie(
    browser: Client, origin: str, host: str, way: str
):
    answer = send(browser, host=host, origin=origin)
    assert answer.status_code == 403
    assert f"This form was sent from {origin}, which is not an address of this site." in told(answer)
    assert "your browser and its cookies are not the cause" in told(answer)
    assert way in told(answer)
    assert f"the request that reached this server is for http://{host}" in told(answer)
    assert f"set CSRF_TRUSTED_ORIGINS={origin}." in told(answer)


def test_the_proposed_setting_works(browser: Client, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["http://testserver:8080"]
    assert send(browser, host="testserver", origin="http://testserver:8080").status_code == 200


def test_a_hidden_origin_is_reported_as_such(browser: Client):
    answer = send(browser, origin="null")
    assert answer.status_code == 403
    assert "Your browser did not say which page this form was sent from." in told(answer)
    assert "Referrer-Policy" in told(answer)


def test_over_tls_a_missing_or_foreign_referer_is_reported_as_such(browser: Client):
    token = browser.cookies["csrftoken"].value
    for headers, words in (
        ({}, "did not say which page"),
        ({"referer": "https://other.example/page"}, "sent from https://other.example,"),
        ({"referer": "http://["}, "did not say which page"),
    ):
        sent = {"csrfmiddlewaretoken": token}
        answer = browser.post("/accounts/login/", sent, secure=True, headers=headers)
        assert answer.status_code == 403
        assert words in told(answer)


def test_the_origin_is_escaped_and_truncated(browser: Client):
    answer = send(browser, origin="http://<script>alert(1)</script>" + "x" * 5000)
    assert "<script>alert" not in answer.text
    assert len(answer.text) < 10_000


def test_the_api_reports_the_same(browser: Client, alice: User):
    browser.force_login(alice)
    headers = {"origin": "http://testserver:8080", "x-csrftoken": browser.cookies["csrftoken"].value}
    answer = browser.post("/api/search/picture", {"picture": picture_file()}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "/api/docs#csrf")
    assert "http://testserver:8080" in answer.json()["title"]
    assert "CSRF_TRUSTED_ORIGINS" in answer.json()["detail"]


# Requests that are too large or invalid


def test_a_form_that_is_too_large_is_413(client: Client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    answer = client.post("/accounts/login/", {"username": "x" * 200_000, "password": "y"})
    assert answer.status_code == 413
    assert "The data you sent is too large." in told(answer)
    assert "At most 161.7 KB" in told(answer)


def test_too_many_files_and_fields_are_413_with_the_limit(client: Client, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES, settings.UPLOAD_MAX_FILES = 3, 2
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 10
    files = client.post("/search/picture", {"picture": [picture_file() for _ in range(5)]})
    fields = client.post("/selection/share", {"id": [str(number) for number in range(12)]})
    address = client.get("/search?" + "a=1&" * 12)
    assert (files.status_code, fields.status_code, address.status_code) == (413, 413, 400)
    assert "At most 2 pictures" in told(files)
    assert "At most 10 values" in told(fields)
    assert "At most 10 values" in told(address)


def test_a_picture_over_the_limit_is_413_on_the_page_with_the_form(client: Client, as_alice: Client, settings):
    settings.UPLOAD_MAX_MB = 1
    large = b"\xff\xd8\xff" + bytes(1_200_000)
    shown = client.post("/search/picture", {"picture": picture_file(data=large), "q": "red star"})
    added = as_alice.post("/upload/", {"pictures": [picture_file(data=large)]})
    both = as_alice.post("/upload/", {"pictures": [picture_file(data=large), picture_file()]})
    assert [shown.status_code, added.status_code, both.status_code] == [413, 413, 200]
    assert "This file has 1.3 MB; the limit is 1." in told(shown)
    assert 'value="red star"' in shown.text
    assert "This file has 1.3 MB; the limit is 1." in told(added)


def test_a_truncated_form_is_reported_as_such(client: Client):
    answer = client.post(
        "/search/picture", b"--x\r\nContent-Dis", content_type="multipart/form-data; boundary=" + "x" * 300
    )
    assert answer.status_code == 400
    assert "arrived damaged or incomplete" in told(answer)


def test_an_unknown_host_is_reported_with_the_setting(client: Client):
    answer = client.get("/", headers={"host": "pictures.example:8000"})
    assert answer.status_code == 400
    assert "“pictures.example:8000”" in told(answer)
    assert "ALLOWED_HOSTS" in told(answer)


def test_the_api_returns_problem_details_for_these_errors(client: Client, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    many = client.post("/api/search/picture", {"picture": [picture_file() for _ in range(3)]})
    name = client.get("/api/search", headers={"host": "pictures.example"})
    for answer, status in ((many, 413), (name, 400)):
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/problem+json"


# Pages that do not exist

A_BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_404_page_has_a_search_box_and_navigation_in_browsers(client: Client, as_alice: Client):
    stranger, alice = (one.get("/no/such/page", headers=A_BROWSER) for one in (client, as_alice))
    for answer in (stranger, alice):
        assert answer.status_code == 404
        assert 'name="q"' in answer.text
        assert 'href="/albums/"' in answer.text
    assert 'href="/upload/"' in alice.text
    assert 'href="/accounts/login/' in stranger.text
    # An image or a script that requests a missing page has no use for them.
    assert 'name="q"' not in client.get("/no/such/page").text


def test_a_403_page_has_a_search_box(as_alice: Client, alice: User):
    give(alice, VIEWER)
    answer = as_alice.get("/upload/", headers=A_BROWSER)
    assert answer.status_code == 403
    assert 'name="q"' in answer.text


def test_a_404_page_has_no_search_box_if_the_site_needs_a_login(client: Client, settings):
    settings.SITE_ACCESS = "members"
    answer = client.get("/no/such/page", headers=A_BROWSER)
    assert answer.status_code == 404
    assert 'name="q"' not in answer.text


def test_messages_are_not_consumed_by_error_pages(as_alice: Client):
    as_alice.post("/albums/", {"title": "Summer", "visibility": "own"})
    assert "The album was created." not in as_alice.get("/no/such/page", headers=A_BROWSER).text
    assert "The album was created." in as_alice.get("/albums/").text


def test_a_missing_original_is_reported_as_such(client: Client):
    image = stored_image()
    storage.delete([storage.original_key(image.id)])
    for path in ("download", "1600.webp"):
        answer = client.get(f"/images/{image.id}/{path}")
        assert answer.status_code == 404
        assert "The file of this picture is missing." in told(answer)


def test_the_sign_up_page_says_that_sign_up_is_switched_off(client: Client, settings):
    settings.SIGN_UP = "off"
    answer = client.get("/accounts/sign-up/")
    assert answer.status_code == 404
    assert "You can't create a new account here." in told(answer)


# Methods


@pytest.fixture
def parameter_values(alice: User) -> dict[str, Any]:
    """Values for the parameters of addresses."""
    image = stored_image("teal", tags=["sea"])
    saved = SavedSearch.objects.create(user=alice, name="sea", query="tag=sea", last_seen=image.created)
    return {
        "image_id": image.id,
        "longest": 400,
        "set_id": PictureSet.keep([image.id], None).pk,
        "search_id": saved.pk,
        "token": saved.token,
        "token_id": 1,
    }


def addresses(patterns: list[Any], parameter_values: dict[str, Any], before: str = "/") -> Iterator[str]:
    """All addresses of the site that these values can fill."""
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, parameter_values, before + str(one.pattern))
        elif isinstance(one, URLPattern) and (written := _filled(before + str(one.pattern), parameter_values)):
            yield written


def _filled(route: str, parameter_values: dict[str, Any]) -> str:
    try:
        filled = re.sub(r"<(?:\w+:)?(\w+)>|\{(\w+)\}", lambda part: str(parameter_values[part[1] or part[2]]), route)
    except KeyError:
        return ""
    return "" if re.search(r"[\^$()\\]", filled) else filled


def test_head_requests_are_answered_like_get_requests(
    admin_client: Client, as_alice: Client, parameter_values: dict[str, Any]
):
    asked = set(addresses(get_resolver().url_patterns, parameter_values))
    assert {"/", "/search", f"/images/{parameter_values['image_id']}/download", "/api/search", "/upload/"} <= asked
    asked |= {"/healthz", "/api/search?q=red", f"/api/images/{parameter_values['image_id']}", "/search?like=x"}
    # Django's login view, which redirects a user who is logged in, checks the method.
    for address in sorted(asked - {"/admin/login/"}):
        for person in (as_alice, admin_client):
            got, headed = person.get(address), person.head(address)
            assert (address, headed.status_code) == (address, got.status_code)
            assert headed.headers.get("Content-Type") == got.headers.get("Content-Type")
            assert b"".join(headed) == b""


def test_head_requests_of_downloads_return_the_length(client: Client, parameter_values: dict[str, Any]):
    address = f"/images/{parameter_values['image_id']}/download"
    length = len(b"".join(client.get(address).streaming_content))
    assert client.head(address)["Content-Length"] == str(length)
    assert client.head("/healthz")["Content-Length"] == str(len(client.get("/healthz").content))


def test_a_head_request_does_not_mark_a_saved_search_as_seen(as_alice: Client, parameter_values: dict[str, Any]):
    saved = SavedSearch.objects.get()
    as_alice.head(f"/saved/{saved.pk}/?since=2026-01-01T00:00:00Z")
    assert SavedSearch.objects.get().last_seen == saved.last_seen


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("get", "/accounts/logout/", "POST"),
        ("put", "/accounts/password/", "GET, HEAD, POST"),
        ("put", "/admin/search/image/", "GET, HEAD, POST"),
        ("options", "/admin/", "GET, HEAD, POST"),
        ("put", "/api/openapi.json", "GET, HEAD"),
        ("get", "/account/tokens/1/revoke", "POST"),
        ("put", "/search", "GET, HEAD"),
        ("delete", "/upload/", "GET, HEAD, POST"),
        ("post", f"/images/{uuid.UUID(int=5)}/", "GET, HEAD"),
        ("put", "/api/search", "GET, HEAD"),
        ("get", "/api/images", "POST"),
        ("post", "/healthz", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_405_with_a_page_and_the_allowed_methods(
    as_alice: Client, method: str, path: str, allowed: str
):
    # Also without a CSRF token: the wrong method is the actual reason.
    as_alice.handler.enforce_csrf_checks = True
    answer: HttpResponse = getattr(as_alice, method)(path)
    assert answer.status_code == 405
    assert answer["Allow"] == allowed
    assert path == "/healthz" or answer.content
    assert not Image.objects.exists()


def test_a_wrong_method_is_not_explained_by_a_form_where_there_is_none(client: Client):
    assert "Supported methods: GET, HEAD." in told(client.put("/search"))
    assert "It only accepts data from a form of this site." in told(client.get("/accounts/logout/"))


@pytest.mark.parametrize(("language", "words"), [("en", "This site can't be reached"), ("ko", "접속할 수 없습니다")])
def test_an_error_before_the_language_is_known_to_django_has_the_language_of_its_request(
    client: Client, settings, language: str, words: str
):
    settings.SECURE_SSL_REDIRECT = True  # needs the host, before Django's middleware for languages
    client.get("/", headers={"accept-language": "ko" if language == "en" else "en", "host": "testserver"}, secure=True)
    answer = client.get("/", headers={"host": "pictures.example", "accept-language": language})
    assert answer.status_code == 400
    assert words in told(answer)
