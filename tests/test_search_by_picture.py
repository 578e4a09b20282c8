"""Searching by an uploaded picture."""

import datetime as dt
import io
import re

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from PIL import Image as PILImage

from search import decoding, embedding
from search.curation.details import Details
from search.imaging import read_picture
from search.ingestion import add_picture
from search.models import QueryPicture
from search.query import SearchQuery, query_pictures
from tests.base import picture_bytes, picture_file
from tests.pictures import gradient, photo, pixel_bomb

pytestmark = pytest.mark.django_db


def send_picture(client: Client, data: bytes, name: str = "picture.jpg"):
    return client.post("/search/picture", {"picture": picture_file(name, data)})


def first_result(page: str) -> str | None:
    found = re.search(r'data-image="([^"]+)"', page)
    return found[1] if found else None


def test_an_uploaded_picture_redirects_to_a_shareable_search(client: Client):
    stars = [add_picture(picture_bytes(colour, size=(96, 96)), Details(), None).image for colour in ("red", "blue")]
    response = send_picture(client, picture_bytes("red", size=(64, 64)))
    assert response.status_code == 302
    assert re.fullmatch(r"/search\?picture=[0-9a-f-]{36}", response["Location"])
    page = Client().get(response["Location"])
    assert first_result(page.text) == str(stars[0].id)


def test_the_search_box_shows_the_query_picture(client: Client):
    address = send_picture(client, picture_bytes())["Location"]
    token = address.partition("picture=")[2]
    assert f'src="/search/picture/{token}.webp"' in client.get(address).text
    response = client.get(f"/search/picture/{token}.webp")
    assert response["Content-Type"] == "image/webp"
    assert PILImage.open(io.BytesIO(response.content)).size == (64, 48)


def test_a_stored_query_picture_has_no_metadata(client: Client):
    send_picture(client, photo("JPEG"))
    kept = PILImage.open(io.BytesIO(bytes(QueryPicture.objects.get().rendition)))
    assert dict(kept.getexif()) == {}
    assert max(kept.size) <= query_pictures.LONGEST


def test_the_same_picture_is_encoded_once(client: Client, monkeypatch: pytest.MonkeyPatch):
    first = send_picture(client, picture_bytes())
    monkeypatch.setattr(query_pictures, "picture_encoder", None)
    assert send_picture(client, picture_bytes())["Location"] == first["Location"]
    assert QueryPicture.objects.count() == 1


def test_a_query_picture_is_kept_for_30_days(client: Client):
    address = send_picture(client, picture_bytes())["Location"]
    QueryPicture.objects.update(created=timezone.now() - dt.timedelta(days=29))
    assert client.get(address).status_code == 200
    QueryPicture.objects.update(created=timezone.now() - dt.timedelta(days=31))
    response = client.get(address)
    assert response.status_code == 404
    assert "has expired" in response.text
    send_picture(client, picture_bytes("blue"))
    assert QueryPicture.objects.count() == 1


def test_uploading_it_again_keeps_it_longer(client: Client):
    address = send_picture(client, picture_bytes())["Location"]
    QueryPicture.objects.update(created=timezone.now() - dt.timedelta(days=29))
    send_picture(client, picture_bytes())
    assert QueryPicture.objects.get().created > timezone.now() - dt.timedelta(minutes=1)
    assert client.get(address).status_code == 200


def test_the_address_still_works_after_a_change_of_model(client: Client):
    address = send_picture(client, picture_bytes())["Location"]
    QueryPicture.objects.update(embedding_model="an older one")
    assert client.get(address).status_code == 200
    assert QueryPicture.objects.get().embedding_model == embedding.active_model()


def test_a_query_picture_deleted_while_it_is_embedded_again_still_finds_results(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    address = send_picture(client, picture_bytes())["Location"]
    QueryPicture.objects.update(embedding_model="an earlier one")

    def forgotten_meanwhile(*args: object, **options: object) -> object:
        QueryPicture.objects.all().delete()
        return read_picture(*args, **options)

    monkeypatch.setattr(decoding, "read_picture", forgotten_meanwhile)
    assert client.get(address).status_code == 200


def test_a_copy_scaled_to_half_finds_its_original_first(client: Client):
    originals = {}
    for number in range(6):
        buffer = io.BytesIO()
        gradient((320 + 32 * number, 240)).rotate(60 * number).save(buffer, "JPEG", quality=95)
        originals[number] = add_picture(buffer.getvalue(), Details(), None).image, buffer.getvalue()
    for image, data in originals.values():
        picture = PILImage.open(io.BytesIO(data))
        half = io.BytesIO()
        picture.resize((picture.width // 2, picture.height // 2)).save(half, "JPEG", quality=80)
        page = client.get(send_picture(client, half.getvalue())["Location"]).text
        assert first_result(page) == str(image.id)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"no picture at all", "not a picture"),
        (b"8BPS" + bytes(100), "Photoshop"),
        (picture_bytes(size=(640, 480))[:700], "incomplete"),
        (pixel_bomb(), "400 megapixels; the limit is 50"),
    ],
    ids=["empty", "text", "format", "truncated", "bomb"],
)
def test_a_bad_picture_is_refused_with_the_reason(client: Client, data: bytes, reason: str):
    response = send_picture(client, data)
    assert response.status_code == 400
    assert reason in response.text
    assert 'name="q"' in response.text


def test_a_picture_over_the_limit_is_refused_before_it_is_read(client: Client, settings):
    settings.UPLOAD_MAX_MB = 1
    response = send_picture(client, picture_bytes() + bytes(1_200_000))
    assert response.status_code == 413
    assert "1.3 MB; the limit is 1." in response.text


def test_a_missing_picture_is_reported(client: Client):
    for sent in ({}, {"picture": "text instead of a file"}):
        response = client.post("/search/picture", sent)
        assert response.status_code == 400
        assert "Choose a picture to search by." in response.text


def test_the_picture_is_added_to_the_current_search(client: Client):
    first = send_picture(client, picture_bytes("blue"))["Location"].partition("=")[2]
    present = {"q": "-night sea", "picture": [first, picture_file()], "picture_weight": "2", "page": "7"}
    address = client.post("/search/picture", present)["Location"]
    query = SearchQuery.from_params(QueryDict(address.partition("?")[2]))
    assert (query.words, query.page) == ("-night sea", 1)
    assert {str(part.value): part.weight for part in query.parts}[first] == 2
    assert len(query.parts) == 2


def test_a_refused_picture_keeps_the_current_search(client: Client):
    response = client.post("/search/picture", {"q": "red star", "picture": picture_file(data=b"")})
    assert response.status_code == 400
    assert '<input type="hidden" name="q" value="red star">' in response.text
    assert "This file is empty." in response.text


def test_an_unknown_token_has_no_thumbnail(client: Client):
    assert client.get("/search/picture/00000000-0000-8000-8000-000000000000.webp").status_code == 404
    assert client.get("/search/picture/x.webp").status_code == 404


def test_a_form_from_another_site_is_refused(db):
    stranger = Client(enforce_csrf_checks=True)
    response = send_picture(stranger, picture_bytes())
    assert response.status_code == 403
    assert "did not send the cookie of this site" in response.text


def test_the_id_of_an_image_does_not_give_access_to_a_query_picture_of_its_copy(client: Client):
    image = add_picture(picture_bytes(), Details(), None).image
    send_picture(client, picture_bytes())
    assert client.get(f"/search/picture/{image.id}.webp").status_code == 404


def test_a_file_name_longer_than_a_disk_allows_is_accepted(client: Client):
    assert send_picture(client, picture_bytes(), name="a." + "x" * 300).status_code == 302


def test_a_get_request_after_a_refusal_leads_to_the_search(client: Client):
    assert client.get("/search/picture")["Location"] == "/"
