"""The API of adding images: the rules of the upload page, and answers in JSON."""

import pytest
from django.contrib.auth.models import User
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory

from search.models import ApiToken, Image
from search.models.image import content_id
from search.objects import storage
from tests.base import an_image, picture_bytes, picture_file
from tests.pictures import FORMATS, photo, pixel_bomb
from tests.written import a_photo, exif_block

pytestmark = pytest.mark.django_db


@pytest.fixture
def api_client(alice: User) -> Client:
    """An API client with Alice's token."""
    secret = ApiToken.issue(alice, "script")[1]
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})


def add(client: Client, file=None, **fields: str):
    return client.post("/api/images", {"picture": file or picture_file(), **fields})


def test_an_added_image_is_returned_and_found_at_once(api_client: Client, alice: User):
    response = add(
        api_client, title="My star", description="By hand", tags="red, star", source_link="https://a.example/"
    )
    image = Image.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/images/{image.id}"
    told = response.json()
    assert (told["id"], told["title"], told["tags"], told["uploader"]) == (
        str(image.id), "My star", ["red", "star"], "alice",
    )  # fmt: skip
    assert (told["description"], told["source_link"]) == ("By hand", "https://a.example/")
    assert api_client.get("/api/search?q=red").json()["results"][0]["id"] == str(image.id)
    assert storage.exists(storage.original_key(image.id))


@pytest.mark.parametrize("wanted", ["on", ""])
def test_metadata_of_the_file_is_read_on_request(api_client: Client, wanted: str):
    data = a_photo(exif=exif_block(t270="Boats", t315="Ada"))
    told = add(api_client, picture_file(data=data), title="Mine", read_captions=wanted).json()
    assert (told["title"], told["description"], told["author"]) == (
        "Mine",
        *(("Boats", "Ada") if wanted else ("", "")),
    )


@pytest.mark.parametrize("format", FORMATS)
def test_every_accepted_format_can_be_added(api_client: Client, format: str):
    assert add(api_client, picture_file(data=photo(format))).json()["format"] == format


def test_adding_the_same_file_again_is_200_and_changes_nothing(api_client: Client):
    add(api_client, title="First")
    again = add(api_client, title="Second")
    assert again.status_code == 200
    assert again.json()["title"] == "First"


def test_a_file_hidden_by_curators_is_refused_without_its_id(api_client: Client):
    an_image(id=content_id(picture_bytes()), hidden=True)
    response = add(api_client)
    assert response.status_code == 409
    assert response.json()["type"] == "/api/docs#hidden"
    assert str(content_id(picture_bytes())) not in response.text


@pytest.mark.parametrize(
    ("data", "status", "code", "reason"),
    [
        (b"", 422, "empty", "empty"),
        (b"no picture", 415, "not_a_picture", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "wrong_format", "SVG"),
        (picture_bytes(size=(640, 480))[:700], 422, "truncated", "incomplete"),
        (pixel_bomb(), 422, "too_many_pixels", "400 megapixels; the limit is 100"),
        (picture_bytes() + bytes(2_000_000), 413, "too_many_bytes", "2.1 MB; the limit is 1."),
    ],
    ids=["empty", "text", "svg", "truncated", "bomb", "large"],
)
def test_an_invalid_file_is_refused_with_status_code_and_reason(
    api_client: Client, settings, data: bytes, status: int, code: str, reason: str
):
    settings.UPLOAD_MAX_MB = 1
    response = add(api_client, picture_file(data=data))
    problem = response.json()
    assert (response.status_code, problem["status"], problem["type"]) == (status, status, f"/api/docs#{code}")
    assert reason in problem["detail"]
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 301), ("title", "a\0b"), ("description", "x" * 5001), ("source_link", "javascript:alert(1)"),
        ("source_link", "no link"), ("tags", "x" * 3_101),
    ],
)  # fmt: skip
def test_an_invalid_field_is_named(api_client: Client, field: str, value: str):
    response = add(api_client, **{field: value})
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["errors"]] == [field]
    assert not Image.objects.exists()


def test_none_or_several_pictures_are_an_error(api_client: Client):
    for sent in ({}, {"picture": "text"}, {"picture": [picture_file(), picture_file("b.jpg")]}):
        response = api_client.post("/api/images", sent)
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "picture"


def test_another_content_type_is_an_error(api_client: Client):
    for content_type in ("application/json", "image/jpeg", "application/x-www-form-urlencoded", ""):
        response = api_client.post("/api/images", b"{}", content_type=content_type)
        assert response.status_code == 415
        assert response.json()["type"] == "/api/docs#not_a_form"


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=é"])
def test_a_form_without_a_boundary_is_an_error(api_client: Client, content_type: str):
    response = api_client.post("/api/images", b"x", content_type=content_type)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_too_much_text_in_a_form_is_an_error(api_client: Client):
    assert add(api_client, description="x" * 3_000_000).status_code == 413


def test_a_token_is_needed_if_uploads_require_a_login(client: Client, settings):
    settings.UPLOAD_LOGIN_REQUIRED = True
    response = add(client)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert not Image.objects.exists()
    settings.UPLOAD_LOGIN_REQUIRED = False
    assert add(client).status_code == 201
    assert Image.objects.get().uploader is None


# From a browser


def test_a_session_also_needs_the_csrf_token(alice: User):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    refused = add(browser)
    assert refused.status_code == 403
    assert refused.json()["type"] == "/api/docs#csrf"
    request = RequestFactory().get("/")
    token = get_token(request)
    browser.cookies["csrftoken"] = request.META["CSRF_COOKIE"]
    response = browser.post("/api/images", {"picture": picture_file()}, headers={"X-CSRFToken": token})
    assert response.status_code == 201


def test_other_sites_can_not_post_pictures_for_a_visitor(settings):
    settings.UPLOAD_LOGIN_REQUIRED = False
    browser = Client(enforce_csrf_checks=True)
    for path in ("/api/images", "/api/search/picture"):
        response = browser.post(path, {"picture": picture_file()}, headers={"Origin": "https://evil.example"})
        assert response.status_code == 403
    settings.CORS_ALLOWED_ORIGINS = ["https://friend.example"]
    response = browser.post("/api/images", {"picture": picture_file()}, headers={"Origin": "https://friend.example"})
    assert response.status_code == 201
