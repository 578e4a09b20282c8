"""Several pictures as one ZIP file: contents, file names, and unavailable pictures."""

import csv
import io
import unicodedata
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from search.curation.details import Details
from search.imaging import Colours, Swatch
from search.ingestion import add_picture
from search.ingestion.palettes import write_palettes
from search.models import Image
from search.objects import storage, zip_download
from tests.base import an_image, picture_bytes, stored_image
from tests.pictures import FORMATS, SECRETS, photo

pytestmark = pytest.mark.django_db

DOWNLOAD = "/selection/download"


def download(client: Client, images: list[Image], **extra: Any) -> zipfile.ZipFile:
    response = client.post(DOWNLOAD, {"id": [image.id for image in images], **extra})
    assert response.status_code == 200
    assert response["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.getvalue()))
    assert archive.testzip() is None
    return archive


def table(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read("pictures.csv").decode("utf-8-sig"), newline="")))


def pictures(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name != "pictures.csv"]


def test_it_contains_the_pictures_in_the_order_of_the_selection(client: Client):
    red, blue = stored_image("red", title="A red one"), stored_image("blue", title="A blue one")
    archive = download(client, [blue, red, blue])
    assert pictures(archive) == ["a-blue-one.jpg", "a-red-one.jpg"]
    assert archive.read("a-red-one.jpg") == picture_bytes("red", size=(640, 480))
    assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_streaming_readers_find_each_size_before_its_data(client: Client):
    archive = download(client, [stored_image("red"), stored_image("blue")])
    for entry in archive.infolist():
        assert not entry.flag_bits & 0x08
        archive.fp.seek(entry.header_offset + 18)
        assert int.from_bytes(archive.fp.read(4), "little") == entry.compress_size > 0


@pytest.mark.parametrize("format", FORMATS)
def test_no_file_in_it_contains_exif_or_a_place(client: Client, format: str):
    image = add_picture(photo(format), Details(title="From my phone"), None).image
    archive = download(client, [image])
    data = archive.read(pictures(archive)[0])
    assert data == client.get(f"/images/{image.id}/download").getvalue()
    assert not any(secret in data for secret in SECRETS)


def test_file_names_are_valid_on_every_system(client: Client):
    titles = [
        "Straße / 7",
        "strasse 7",
        "CON",
        "com¹",
        "nul.",
        "",
        "빨간 별",
        "빨간 별",
        "..\\..\\evil",
        "a" * 300,
        "👩" * 3,
    ]
    titles += ["pictures", "𠀀" * 80]
    images = [stored_image(title=title) for title in titles]
    names = pictures(download(client, images))
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == len(images)
    assert names[6:8] == ["빨간-별.jpg", "빨간-별-2.jpg"]
    assert names[2] == "con-picture.jpg"
    assert names[5] == f"{images[5].id}.jpg"
    for name in names:
        assert not set(name) & set('<>:"/\\|?*\0'), name
        assert len(name.encode()) <= 255
        assert name.split(".")[0] not in ("con", "nul", "com¹")


def test_pictures_with_the_same_title_are_numbered(client: Client):
    names = pictures(download(client, [stored_image(title=title) for title in ("Sea", "sea", "Sea 2", "SEA")]))
    assert names == ["sea.jpg", "sea-2.jpg", "sea-2-2.jpg", "sea-3.jpg"]


def test_the_table_contains_the_metadata(client: Client):
    image = stored_image(
        title="빨간 별",
        author="Ada",
        licence="CC BY 4.0",
        source_link="https://example.org/star",
        tags=["red", "star"],
    )
    swatches = (Swatch("red", "#c81e1e", 66), Swatch("white", "#f8f8f8", 34))
    write_palettes({image.pk: Colours(("red", "white"), ("red",), swatches)})
    archive = download(client, [image], **{f"similarity-{image.id}": "0.31239"})
    assert archive.read("pictures.csv").startswith("\ufeff".encode())
    assert table(archive) == [
        {
            "file": "빨간-별.jpg",
            "title": "빨간 별",
            "link": f"http://testserver/images/{image.id}/",
            "author": "Ada",
            "licence": "CC BY 4.0",
            "source_link": "https://example.org/star",
            "tags": "red, star",
            **dict.fromkeys(["taken", "camera", "lens", "rating"], ""),
            "colours": "red 66%, white 34%",
            "similarity": "0.3124",
            "problem": "",
        }
    ]


@pytest.mark.parametrize("value", ["", "much", "nan", "inf", "7", "=1+1", "1" * 10_000])
def test_an_invalid_similarity_is_left_empty(client: Client, value: str):
    image = stored_image()
    assert table(download(client, [image], **{f"similarity-{image.id}": value}))[0]["similarity"] == ""


@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_interpreted_as_a_formula(client: Client, title: str):
    image = stored_image(tags=[title.strip() or "x"])
    Image.objects.update(title=title, author=title)  # as in rows of older versions
    row = table(download(client, [image]))[0]
    assert row["title"] == row["author"] == f"'{title}"
    assert not row["tags"].startswith(("=", "+", "-", "@"))


def test_a_missing_or_damaged_picture_is_left_out_and_listed(client: Client):
    good, missing, damaged = stored_image(title="good"), an_image("missing"), stored_image(title="damaged")
    storage.put(storage.original_key(damaged.id), b"damaged", "image/jpeg")
    archive = download(client, [missing, good, damaged])
    assert pictures(archive) == ["good.jpg"]
    assert [(row["file"], row["title"], row["problem"]) for row in table(archive)] == [
        ("", "missing", "This picture's file is missing."),
        ("good.jpg", "good", ""),
        ("", "damaged", "This picture's file is damaged."),
    ]


def test_the_table_reports_problems_in_the_language_of_the_user(client: Client):
    response = client.post(DOWNLOAD, {"id": an_image("없음").id}, headers={"accept-language": "ko"})
    row = table(zipfile.ZipFile(io.BytesIO(response.getvalue())))[0]
    assert row["problem"]
    assert row["title"] == "없음"


def test_without_the_storage_the_response_is_503(client: Client, settings):
    images = [stored_image(), stored_image()]
    settings.MEDIA_ROOT = Path(settings.MEDIA_ROOT).with_name("a-file")
    settings.MEDIA_ROOT.write_text("not a folder")
    response = client.post(DOWNLOAD, {"id": [image.id for image in images]})
    assert response.status_code == 503
    assert "The picture storage does not respond." in response.text


class UnreliableStorage:
    """A storage that returns only the objects of these images, and counts its requests."""

    def __init__(self, answers: list[Image]) -> None:
        self.keys = {storage.original_key(image.id) for image in answers}
        self.asked = 0

    def __call__(self, key: str, _size: int = 0) -> bytes:
        self.asked += 1
        if key not in self.keys:
            raise storage.StorageUnavailable("down")
        return picture_bytes()


def test_a_temporary_storage_failure_costs_only_the_affected_pictures(client: Client, monkeypatch):
    images = [an_image(f"n{number}") for number in range(4)]
    monkeypatch.setattr(storage, "read", UnreliableStorage([images[0], images[2]]))
    archive = download(client, images)
    assert pictures(archive) == ["n0.jpg", "n2.jpg"]
    problem = "The picture storage did not respond."
    assert [row["problem"] for row in table(archive)] == ["", problem, "", problem]


def test_an_unavailable_storage_is_not_asked_for_every_picture(client: Client, monkeypatch):
    images = [an_image(f"n{number}") for number in range(20)]
    flickering = UnreliableStorage(images[:1])
    monkeypatch.setattr(storage, "read", flickering)
    rows = table(download(client, images))
    assert [bool(row["problem"]) for row in rows] == [False] + [True] * 19
    assert flickering.asked == 4


def test_a_picture_is_read_when_the_stream_reaches_it(monkeypatch):
    images = [an_image(f"n{number}") for number in range(5)]
    flickering = UnreliableStorage(images)
    monkeypatch.setattr(storage, "read", flickering)
    parts: Iterator[bytes] = zip_download.zipped(images, {}, lambda image: "")
    sizes = []
    for number in range(1, 6):
        sizes.append(len(next(parts)))
        assert flickering.asked == number
    assert max(sizes) < len(picture_bytes()) + 200


def test_hidden_and_unknown_pictures_are_skipped(client: Client, as_alice: Client, as_carol: Client):
    seen, hidden = stored_image(title="seen"), stored_image(title="hidden", hidden=True)
    form = {"id": [uuid.uuid4(), hidden.id, seen.id]}
    for visitor, expected in (
        (client, ["seen.jpg"]),
        (as_alice, ["seen.jpg"]),
        (as_carol, ["hidden.jpg", "seen.jpg"]),
    ):
        archive = zipfile.ZipFile(io.BytesIO(visitor.post(DOWNLOAD, form).getvalue()))
        assert pictures(archive) == expected
        assert len(table(archive)) == len(expected)


@pytest.mark.parametrize("address", [DOWNLOAD, "/selection/share"])
class TestRefusedSelections:
    def test_no_visible_picture(self, client: Client, address: str):
        response = client.post(address, {"id": [uuid.uuid4(), an_image(hidden=True).id]})
        assert response.status_code == 404
        assert "None of these pictures exist any longer." in response.text

    @pytest.mark.parametrize("form", [{}, {"id": []}, {"ids": "1"}])
    def test_an_empty_selection(self, client: Client, address: str, form: dict[str, Any]):
        response = client.post(address, form)
        assert response.status_code == 400
        assert "Choose at least one picture." in response.text

    @pytest.mark.parametrize("value", ["", "x", "1", "' OR 1=1", "\0", "😀", "0" * 100_000, "{" * 36])
    def test_an_invalid_id(self, client: Client, address: str, value: str):
        response = client.post(address, {"id": [an_image().id, value]})
        assert response.status_code == 400
        assert "One of the pictures is unknown" in response.text

    def test_too_many(self, client: Client, address: str):
        response = client.post(address, {"id": [uuid.UUID(int=number) for number in range(501)]})
        assert response.status_code == 400
        assert "the limit is 500" in response.text

    def test_the_same_picture_counts_once(self, client: Client, address: str):
        response = client.post(address, {"id": [stored_image().id] * 501})
        assert response.status_code in {200, 302}

    def test_far_too_many(self, client: Client, address: str):
        assert client.post(address, {"id": ["x"] * 5_000}).status_code == 413

    def test_a_form_from_another_site(self, address: str):
        client = Client(enforce_csrf_checks=True)
        assert client.post(address, {"id": an_image().id}).status_code == 403

    def test_a_get_request_leads_to_the_search(self, client: Client, address: str):
        response = client.get(address)
        assert (response.status_code, response["Location"]) == (302, "/")
        assert client.put(address).status_code == 405


def test_five_hundred_with_their_similarities_are_accepted(client: Client):
    images = [an_image(f"n{number}") for number in range(500)]
    form = {"id": [image.id for image in images], **{f"similarity-{image.id}": "0.5" for image in images}}
    response = client.post(DOWNLOAD, {**form, "csrfmiddlewaretoken": "x"})
    rows = table(zipfile.ZipFile(io.BytesIO(response.getvalue())))
    assert len(rows) == 500
    assert {row["similarity"] for row in rows} == {"0.5000"}
