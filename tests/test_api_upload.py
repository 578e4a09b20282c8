"""Adding images by program: by the rules of the page, and told in JSON."""

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
def program(alice: User) -> Client:
    """A program of Alice's."""
    secret = ApiToken.issue(alice, "script")[1]
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})


def add(client: Client, file=None, **fields: str):
    return client.post("/api/images", {"picture": file or picture_file(), **fields})


def test_an_added_image_is_answered_and_found_at_once(program: Client, alice: User):
    response = add(program, title="My star", description="By hand", tags="red, star", source_link="https://a.example/")
    image = Image.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/images/{image.id}"
    told = response.json()
    assert (told["id"], told["title"], told["tags"], told["uploader"]) == (
        str(image.id), "My star", ["red", "star"], "alice",
    )  # fmt: skip
    assert (told["description"], told["source_link"]) == ("By hand", "https://a.example/")
    assert program.get("/api/search?q=red").json()["results"][0]["id"] == str(image.id)
    assert storage.exists(storage.original_key(image.id))


@pytest.mark.parametrize("wanted", ["on", ""])
def test_what_is_written_in_the_file_is_taken_where_that_is_asked_for(program: Client, wanted: str):
    data = a_photo(exif=exif_block(t270="Boats", t315="Ada"))
    told = add(program, picture_file(data=data), title="Mine", read_captions=wanted).json()
    assert (told["title"], told["description"], told["author"]) == (
        "Mine",
        *(("Boats", "Ada") if wanted else ("", "")),
    )


@pytest.mark.parametrize("format", FORMATS)
def test_every_accepted_format_comes_in(program: Client, format: str):
    assert add(program, picture_file(data=photo(format))).json()["format"] == format


def test_the_same_file_again_is_200_and_changes_nothing(program: Client):
    add(program, title="First")
    again = add(program, title="Second")
    assert again.status_code == 200
    assert again.json()["title"] == "First"


def test_a_file_that_the_curators_have_hidden_is_not_told_of(program: Client):
    an_image(id=content_id(picture_bytes()), hidden=True)
    response = add(program)
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
def test_a_bad_file_is_refused_with_a_status_a_code_and_the_reason(
    program: Client, settings, data: bytes, status: int, code: str, reason: str
):
    settings.UPLOAD_MAX_MB = 1
    response = add(program, picture_file(data=data))
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
def test_a_wrong_field_is_named(program: Client, field: str, value: str):
    response = add(program, **{field: value})
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["errors"]] == [field]
    assert not Image.objects.exists()


def test_no_picture_and_several_are_told(program: Client):
    for sent in ({}, {"picture": "text"}, {"picture": [picture_file(), picture_file("b.jpg")]}):
        response = program.post("/api/images", sent)
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "picture"


def test_another_kind_of_body_is_told(program: Client):
    for content_type in ("application/json", "image/jpeg", "application/x-www-form-urlencoded", ""):
        response = program.post("/api/images", b"{}", content_type=content_type)
        assert response.status_code == 415
        assert response.json()["type"] == "/api/docs#not_a_form"


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=é"])
def test_a_form_without_a_boundary_is_told(program: Client, content_type: str):
    response = program.post("/api/images", b"x", content_type=content_type)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_more_text_than_any_form_has_is_told(program: Client):
    assert add(program, description="x" * 3_000_000).status_code == 413


def test_strangers_need_a_token_where_the_operator_wants_it(client: Client, settings):
    settings.UPLOAD_LOGIN_REQUIRED = True
    response = add(client)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert not Image.objects.exists()
    settings.UPLOAD_LOGIN_REQUIRED = False
    assert add(client).status_code == 201
    assert Image.objects.get().uploader is None


# In the browser


def test_a_session_needs_the_csrf_token_besides(alice: User):
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


def test_another_site_can_not_have_a_visitor_send_pictures(settings):
    settings.UPLOAD_LOGIN_REQUIRED = False
    browser = Client(enforce_csrf_checks=True)
    for path in ("/api/images", "/api/search/picture"):
        response = browser.post(path, {"picture": picture_file()}, headers={"Origin": "https://evil.example"})
        assert response.status_code == 403
    settings.CORS_ALLOWED_ORIGINS = ["https://friend.example"]
    response = browser.post("/api/images", {"picture": picture_file()}, headers={"Origin": "https://friend.example"})
    assert response.status_code == 201
