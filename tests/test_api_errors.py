"""Every error under /api/ is returned as problem details, in the requested language."""

import gzip
import uuid
from pathlib import Path

import pytest
from django.test import Client

from search.models import Image, QueryPicture
from tests.base import picture_file, stored_image

IMAGE = f"/api/images/{uuid.UUID(int=7)}"


@pytest.fixture
def api_client() -> Client:
    """A client that sees server errors as answers, where the test client would raise."""
    return Client(raise_request_exception=False)


def problem(response, status: int) -> dict:
    """The details, which must have the form of RFC 9457."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    details = response.json()
    assert details["status"] == status
    assert details["title"]
    assert details["detail"]
    return details


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/nothing", "/api/search/", "/api/images/x", "/api/images/%00", IMAGE])
def test_an_unknown_address_is_404(api_client: Client, path: str):
    assert problem(api_client.get(path), 404)["type"] == "about:blank"


@pytest.mark.django_db
def test_posting_to_an_unknown_address_is_404(settings):
    strict = Client(enforce_csrf_checks=True)
    problem(strict.post("/api/nothing"), 404)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "encoding", "status", "told"),
    [
        (b"title=words", "", 400, "The body is not valid JSON."),
        (gzip.compress(b'{"title": "words"}', mtime=0), "gzip", 415, "Compressed data can't be read."),
    ],
)
def test_a_body_that_can_not_be_read_is_reported_as_such(
    as_carol: Client, body: bytes, encoding: str, status: int, told: str
):
    headers = {"content-encoding": encoding} if encoding else {}
    path = f"/api/images/{stored_image().id}"

    assert problem(as_carol.patch(path, body, "application/json", headers=headers), status)["title"] == told


@pytest.mark.django_db
def test_debug_mode_answers_with_problem_details_too(api_client: Client, settings):
    settings.DEBUG = True
    problem(api_client.get("/api/nothing"), 404)
    problem(api_client.get(IMAGE), 404)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("post", "/api/search", "GET, HEAD"), ("delete", IMAGE, "GET, HEAD, PATCH"), ("put", "/api/images", "POST"),
        ("get", "/api/images", "POST"),
    ],
)  # fmt: skip
def test_a_wrong_method_is_405_with_the_allowed_methods(api_client: Client, method: str, path: str, allowed: str):
    response = getattr(api_client, method)(path)
    assert response.status_code == 405
    assert response["Allow"] == allowed
    assert response["Content-Type"] == "application/problem+json"
    assert getattr(api_client, method)(path, headers={"Accept-Language": "ko"})["Content-Language"] == "ko"


@pytest.mark.django_db
def test_the_message_is_in_the_requested_language(api_client: Client):
    english = problem(api_client.get("/api/nothing", headers={"Accept-Language": "en"}), 404)
    korean = problem(api_client.get("/api/nothing", headers={"Accept-Language": "ko,en;q=0.5"}), 404)
    assert english["detail"] != korean["detail"]


@pytest.mark.django_db
def test_an_unknown_host_is_400(api_client: Client):
    problem(api_client.get("/api/search", headers={"Host": "evil.example"}), 400)


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
def test_a_server_error_is_500_without_details(
    api_client: Client, monkeypatch: pytest.MonkeyPatch, settings, caplog: pytest.LogCaptureFixture, debug: bool
):
    def broken(*args: object) -> None:
        raise ZeroDivisionError("a secret detail")

    settings.DEBUG = debug
    monkeypatch.setattr("search.api.searching.find", broken)

    answer = api_client.get("/api/search")

    problem(answer, 500)
    assert "a secret detail" not in answer.text
    assert "a secret detail" in caplog.text


@pytest.mark.usefixtures("database_down")
@pytest.mark.parametrize("path", ["/api/search", "/api/search?q=red", IMAGE])
def test_without_a_database_it_is_503_with_retry_after(api_client: Client, path: str):
    answer = api_client.get(path)
    assert problem(answer, 503)["type"] == "/api/docs#no_database"
    assert answer["Retry-After"] == "30"


@pytest.mark.usefixtures("database_down")
def test_without_a_database_a_request_with_a_token_is_503(api_client: Client):
    problem(api_client.get("/api/search", headers={"Authorization": "Bearer pix_x"}), 503)


@pytest.mark.django_db
@pytest.mark.usefixtures("no_model")
def test_without_a_model_it_is_503_and_nothing_is_stored(api_client: Client, settings):
    settings.UPLOAD_LOGIN_REQUIRED = False
    for answer in (
        api_client.get("/api/search?q=red"),
        api_client.post("/api/search/picture", {"picture": picture_file()}),
        api_client.post("/api/images", {"picture": picture_file()}),
    ):
        assert problem(answer, 503)["type"] == "/api/docs#no_model"
        assert answer["Retry-After"] == "30"
    assert not Image.objects.exists()
    assert not QueryPicture.objects.exists()


@pytest.mark.django_db
def test_without_the_storage_an_upload_is_503(api_client: Client, settings):
    settings.UPLOAD_LOGIN_REQUIRED = False
    settings.MEDIA_ROOT = Path(settings.MEDIA_ROOT).with_name("a-file")
    settings.MEDIA_ROOT.write_text("not a folder")
    answer = api_client.post("/api/images", {"picture": picture_file()})
    assert problem(answer, 503)["type"] == "/api/docs#no_storage"


@pytest.mark.django_db
def test_errors_of_pages_are_still_html(api_client: Client):
    assert "<html" in api_client.get("/no/such/page/").text
