"""Adding pictures in the browser."""

import re
import threading

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from search.curation.details import Details
from search.ingestion import add_picture
from search.models import Album, Image
from search.models.image import content_id
from search.objects import storage
from tests.base import an_image, picture_bytes, picture_file
from tests.pictures import FORMATS, photo, pixel_bomb
from tests.written import a_photo, exif_block

pytestmark = pytest.mark.django_db


def upload(client: Client, *files, **fields: str):
    return client.post("/upload/", {"pictures": list(files), **fields})


def test_an_upload_is_found_by_the_next_search(as_alice: Client, alice):
    response = upload(as_alice, picture_file(colour="red"), title="My star", tags="red, star")
    assert response.status_code == 200
    image = Image.objects.get()
    assert (image.title, image.tags, image.uploader) == ("My star", ["red", "star"], alice)
    assert f'href="{image.get_absolute_url()}"' in response.text
    assert str(image.id) in as_alice.get("/search?q=red").text


def test_the_original_is_stored_unchanged_and_the_thumbnail_without_exif(as_alice: Client):
    data = photo("JPEG")
    upload(as_alice, picture_file(data=data))
    image = Image.objects.get()
    assert storage.read(storage.original_key(image.id)) == data
    assert b"Exif" not in storage.read(storage.rendition_key(image.id, storage.THUMBNAIL))


@pytest.mark.parametrize("format", FORMATS)
def test_every_accepted_format_can_be_uploaded(as_alice: Client, format: str):
    upload(as_alice, picture_file(data=photo(format)))
    assert Image.objects.get().format == format


def test_each_file_gets_its_own_outcome(as_alice: Client):
    known = add_picture(picture_bytes("blue"), Details(title="Known"), None).image
    response = upload(
        as_alice,
        picture_file("new.jpg", picture_bytes("red")),
        picture_file("known.jpg", picture_bytes("blue")),
        picture_file("broken.jpg", b"no picture"),
    )
    assert response.status_code == 200
    assert Image.objects.count() == 2
    assert f'href="{known.get_absolute_url()}"' in response.text
    for name in ("new.jpg", "known.jpg", "broken.jpg"):
        assert name in response.text
    assert "not a picture" in response.text


def test_author_and_licence_apply_to_all_files(as_alice: Client):
    upload(as_alice, picture_file(colour="red"), picture_file(colour="blue"), author="Alice", licence="CC BY 4.0")
    assert list(Image.objects.values_list("author", "licence")) == [("Alice", "CC BY 4.0")] * 2


def test_without_javascript_a_form_adds_pictures_to_an_album(as_alice: Client, alice):
    page = upload(as_alice, picture_file(colour="red"), album="new", album_title="Trip")
    assert "1 picture was added to the album." in page.text
    album = Album.objects.get(owner=alice)
    upload(as_alice, picture_file(colour="blue"), album=str(album.pk))
    assert album.entries.count() == 2


@pytest.mark.parametrize("wrong", [{"album": "new"}, {"album": "0"}, {"album": "x" * 300}])
def test_an_invalid_album_is_reported_before_anything_is_added(as_alice: Client, wrong: dict[str, str]):
    assert upload(as_alice, picture_file(), **wrong).status_code == 400
    assert not Image.objects.exists()
    assert not Album.objects.exists()


def test_an_album_of_another_user_can_not_be_chosen(as_alice: Client):
    theirs = Album.objects.create(title="Bob's", owner=User.objects.create_user("bob"), visibility="public")
    assert upload(as_alice, picture_file(), album=str(theirs.pk)).status_code == 400
    assert theirs.entries.count() == 0


def test_the_page_of_added_pictures_shows_exactly_these_to_their_uploader(as_alice: Client, client: Client):
    an_image("another")
    page = upload(
        as_alice, picture_file("a.jpg", picture_bytes("red")), picture_file("b.jpg", b"none"), visibility="own"
    )
    image = Image.objects.exclude(title="another").get()
    address = re.search(r'href="(/upload/added/[^"?]+)"', page.text)[1]
    shown = as_alice.get(address).text
    assert re.findall(r'data-image="([^"]+)"', shown) == [str(image.pk)]
    client.force_login(User.objects.create_user("bob"))
    assert client.get(address).status_code == 404
    assert Client().get(address)["Location"].startswith("/accounts/login/")


def test_the_script_redirects_to_the_pictures_it_has_uploaded(as_alice: Client):
    images = [an_image(str(number)) for number in range(3)]
    hidden = an_image("hidden", hidden=True)
    ids = " ".join(str(one.pk) for one in [*images, hidden, images[0]])
    answer = as_alice.post("/upload/added", {"ids": ids, "then": "tag"})
    assert answer.status_code == 302
    page = as_alice.get(answer["Location"]).text
    assert re.findall(r'data-image="([^"]+)"', page) == [str(one.pk) for one in images]
    assert "autofocus" in page
    for wrong in ("", "x", str(hidden.pk), "\0"):
        assert as_alice.post("/upload/added", {"ids": wrong}).status_code == 400


def test_anonymous_users_get_a_link_to_the_added_pictures(client: Client, settings):
    settings.UPLOAD_LOGIN_REQUIRED = False
    page = upload(client, picture_file())
    image = Image.objects.get()
    address = re.search(r'href="(/sets/[^"]+)"', page.text)[1]
    assert image.get_absolute_url() in client.get(address).text


def test_the_same_file_again_changes_nothing(as_alice: Client):
    upload(as_alice, picture_file(), title="First")
    upload(as_alice, picture_file(), title="Second")
    assert Image.objects.get().title == "First"


def test_a_hidden_picture_uploaded_again_stays_hidden_and_is_not_linked(as_alice: Client):
    image = an_image(id=content_id(picture_bytes()), hidden=True)
    response = upload(as_alice, picture_file())
    assert image.get_absolute_url() not in response.text
    image.refresh_from_db()
    assert image.hidden


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (picture_bytes(size=(640, 480))[:700], "incomplete"),
        (pixel_bomb(), "400 megapixels; the limit is 100"),
    ],
    ids=["empty", "svg", "truncated", "bomb"],
)
def test_a_bad_file_is_refused_with_the_reason_and_not_stored(as_alice: Client, data: bytes, reason: str):
    response = upload(as_alice, picture_file("bad.jpg", data))
    assert response.status_code == 400
    assert reason in response.text
    assert not Image.objects.exists()


def test_a_file_that_is_too_large_is_refused_and_the_others_are_added(as_alice: Client, settings):
    settings.UPLOAD_MAX_MB = 1
    response = upload(
        as_alice, picture_file("large.jpg", picture_bytes() + bytes(2_000_000)), picture_file("small.jpg")
    )
    assert response.status_code == 200
    assert "2.1 MB; the limit is 1." in response.text
    assert Image.objects.count() == 1
    alone = upload(as_alice, picture_file("large.jpg", picture_bytes() + bytes(2_000_000)))
    assert alone.status_code == 413
    assert "2.1 MB; the limit is 1." in alone.text


def test_a_missing_file_is_reported(as_alice: Client):
    for sent in ({}, {"pictures": "text"}):
        response = as_alice.post("/upload/", sent)
        assert response.status_code == 400
        assert "Choose at least one picture." in response.text


def test_too_many_files_are_refused(as_alice: Client, settings):
    settings.UPLOAD_MAX_FILES = 2
    response = upload(as_alice, *[picture_file(f"{number}.jpg") for number in range(3)])
    assert response.status_code == 400
    assert "At most 2 pictures" in response.text
    assert not Image.objects.exists()


@pytest.mark.parametrize("link", ["javascript:alert(1)", "ftp://example.org/x", "not a link"])
def test_a_source_link_must_be_a_web_address(as_alice: Client, link: str):
    response = upload(as_alice, picture_file(), source_link=link)
    assert response.status_code == 400
    assert not Image.objects.exists()


def test_nul_in_a_title_is_refused(as_alice: Client):
    assert upload(as_alice, picture_file(), title="a\0b").status_code == 400


def test_a_file_name_with_markup_is_escaped(as_alice: Client):
    page = upload(as_alice, picture_file("<img src=x onerror=alert(1)>.jpg", b"x")).text
    assert "<img src=x" not in page


def test_a_script_gets_only_the_outcome(as_alice: Client):
    response = as_alice.post("/upload/", {"pictures": [picture_file()]}, headers={"HX-Request": "true"})
    assert "<html" not in response.text
    assert re.search(r"/images/[0-9a-f-]+/", response.text)


def test_metadata_of_a_file_is_offered_without_its_place(as_alice: Client):
    data = a_photo(exif=exif_block(t270="Boats", t40094="sea\0".encode("utf-16-le"), place=(37.88, 127.73)))
    answer = as_alice.post("/upload/read", {"picture": picture_file(data=data[:2000])})
    assert answer.json() == {"title": "", "description": "Boats", "tags": "sea"}
    nothing = {"title": "", "description": "", "tags": ""}
    assert as_alice.post("/upload/read", {"picture": picture_file(data=b"no picture")}).json() == nothing
    assert as_alice.post("/upload/read").json() == nothing
    assert not Image.objects.exists()


@pytest.mark.parametrize("wanted", [True, False])
def test_without_javascript_metadata_fills_empty_fields_if_chosen(as_alice: Client, wanted: bool):
    data = a_photo(exif=exif_block(t270="Boats", t40091="Hafen\0".encode("utf-16-le")))
    form = {"pictures": picture_file(data=data), "title": "Mine", **({"read_captions": "on"} if wanted else {})}
    as_alice.post("/upload/", form)
    image = Image.objects.get()
    assert (image.title, image.description) == ("Mine", "Boats" if wanted else "")


def test_uploading_needs_an_account_if_the_setting_says_so(client: Client, settings):
    settings.UPLOAD_LOGIN_REQUIRED = True
    for response in (client.get("/upload/"), upload(client, picture_file())):
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")
    settings.UPLOAD_LOGIN_REQUIRED = False
    assert upload(client, picture_file()).status_code == 200
    assert Image.objects.get().uploader is None


@pytest.mark.django_db(transaction=True)
def test_twenty_concurrent_uploads_of_one_file_make_one_row(settings):
    settings.UPLOAD_LOGIN_REQUIRED = False
    together = threading.Barrier(20)
    statuses = []

    def send() -> None:
        client = Client()
        together.wait()
        statuses.append(upload(client, picture_file()).status_code)
        connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 20
    assert Image.objects.count() == 1
    assert storage.read(storage.original_key(Image.objects.get().id)) == picture_bytes()
