"""Searching by a region of an image."""

import re
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from search import decoding
from search.curation.details import Details
from search.http.forms import RegionForm
from search.ingestion import add_picture
from search.models import Image, QueryPicture
from search.objects import storage
from search.query import Region
from tests.base import an_image, picture_bytes, stored_image
from tests.pictures import FORMATS, corners, encoded, photo, turned

pytestmark = pytest.mark.django_db

WHOLE = {"left": 0, "top": 0, "width": 1, "height": 1}
CORNERS = {"red": (0, 0), "lime": (1, 0), "blue": (0, 1), "white": (1, 1)}


def post_region(client: Client, image: Image, **region: object):
    return client.post(f"/images/{image.id}/region", region)


def added(data: bytes) -> Image:
    return add_picture(data, Details(), None).image


def last_query_picture() -> PILImage.Image:
    """The last query picture."""
    return PILImage.open(BytesIO(bytes(QueryPicture.objects.latest("created").rendition))).convert("RGB")


def colour_of(picture: PILImage.Image) -> str:
    middle = picture.getpixel((picture.width // 2, picture.height // 2))
    named = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
    return min(named, key=lambda name: sum((a - b) ** 2 for a, b in zip(named[name], middle, strict=True)))


def test_a_region_redirects_to_a_shareable_search(client: Client):
    image = added(encoded(corners((480, 320)), "PNG"))
    red, blue = (added(picture_bytes(colour, size=(96, 96))) for colour in ("red", "blue"))
    response = post_region(client, image, left=0, top="0.75", width="0.25", height="0.25")
    assert response.status_code == 302
    assert re.fullmatch(r"/search\?picture=[0-9a-f-]{36}", response["Location"])
    page = Client().get(response["Location"]).text
    assert page.index(f'data-image="{blue.id}"') < page.index(f'data-image="{red.id}"')


@pytest.mark.parametrize("format", FORMATS)
def test_the_requested_region_is_cut_out_in_every_format(client: Client, format: str):
    image = added(photo(format, picture=corners((480, 320))))
    for colour, (x, y) in CORNERS.items():
        post_region(client, image, left=0.75 * x, top=0.75 * y, width=0.25, height=0.25)
        assert colour_of(last_query_picture()) == colour


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_region_refers_to_the_upright_picture(client: Client, orientation: int):
    image = added(photo("JPEG", orientation, turned(corners((480, 320)), orientation)))
    for colour, (x, y) in CORNERS.items():
        post_region(client, image, left=75 * x, top=75 * y, width=25, height=25, unit="percent")
        assert colour_of(last_query_picture()) == colour


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_small_region_of_a_large_picture_keeps_its_pixels(client: Client, format: str):
    # At 1/8 of its size, which is enough for the whole picture, the stripes would be grey.
    large = PILImage.new("RGB", (4000, 4000), "white")
    for x in range(1000, 1200, 8):
        large.paste("black", (x, 1000, x + 4, 1200))
    post_region(client, added(encoded(large, format)), left=0.25, top=0.25, width=0.05, height=0.05)
    assert last_query_picture().size == (200, 200)
    darkest, lightest = last_query_picture().convert("L").crop((0, 100, 200, 101)).getextrema()
    assert darkest < 60
    assert lightest > 195


def test_a_large_region_is_scaled_down(client: Client):
    post_region(client, added(picture_bytes(size=(2000, 1000))), **WHOLE)
    assert last_query_picture().size == (448, 224)


def test_a_stored_region_has_no_metadata(client: Client):
    post_region(client, added(photo("JPEG", picture=corners((480, 320)))), **WHOLE)
    assert dict(last_query_picture().getexif()) == {}


def test_the_same_region_is_the_same_search_and_another_is_not(client: Client):
    image, other = added(picture_bytes("red")), added(picture_bytes("blue"))
    first, again, third, fourth = (
        post_region(client, one, **WHOLE | {"left": left, "width": 0.5})["Location"]
        for one, left in ((image, 0), (image, 0), (image, 0.5), (other, 0))
    )
    assert first == again
    assert len({first, third, fourth}) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"left": "nan"},
        {"top": "inf"},
        {"width": "-inf"},
        {"height": ""},
        {"left": "a\0b"},
        {"left": "1e400"},
        {"top": "9" * 2000},
        {"unit": "miles"},
    ],
    ids=str,
)
def test_an_invalid_number_is_reported(client: Client, wrong: dict[str, str]):
    response = post_region(client, stored_image(), **WHOLE | wrong)
    assert response.status_code == 400
    assert 'class="errorlist"' in response.text
    assert re.search(r'<details [^>]*id="region"[^>]*\sopen>', response.text)
    assert not QueryPicture.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"height": 0},
        {"width": -0.5, "left": 0.5},
        {"left": 0.5},
        {"top": 0.001},
        {"left": -0.001, "width": 0.5},
        {"left": 1, "width": 1},
        {"left": 50, "width": 50},
        {"left": 50, "unit": "percent", "width": 51},
        {"left": 1e308, "width": 1e308},
    ],
    ids=str,
)
def test_an_empty_region_or_one_outside_the_picture_is_refused(client: Client, wrong: dict[str, object]):
    response = post_region(client, stored_image(), **WHOLE | wrong)
    assert response.status_code == 400
    assert "The region must be inside the picture, and have a width and a height." in response.text


def test_a_region_of_too_few_pixels_is_refused(client: Client):
    image = stored_image()  # 640 x 480
    response = post_region(client, image, left=0, top=0, width=15 / 640, height=1)
    assert "The region is too small: it must be at least 16 pixels wide and high." in response.text
    assert response.status_code == 400
    assert post_region(client, image, left=0, top=0, width=16 / 640, height=16 / 480).status_code == 302


def test_the_whole_of_a_tiny_picture_is_large_enough(client: Client):
    assert post_region(client, added(picture_bytes(size=(3, 3))), **WHOLE).status_code == 302


def test_a_cut_out_region_is_visible_as_long_as_its_picture(client: Client, as_carol: Client):
    image = stored_image()
    found = post_region(client, image, **WHOLE)["Location"]
    copy = f"/search/picture/{found.partition('picture=')[2]}.webp"
    assert client.get(copy).status_code == 200
    image.hide()
    post_region(as_carol, image, **WHOLE)
    assert client.get(copy).status_code == client.get(found).status_code == 404
    image.delete()
    assert not QueryPicture.objects.filter(pk=found.partition("picture=")[2]).exists()


def crops(page: str) -> list[str]:
    return re.findall(r'name="crop" value="([^"]+)"', page)


def test_regions_that_stand_out_of_a_picture_are_offered(client: Client):
    image = added(encoded(corners((480, 320)), "PNG"))
    offered = crops(client.get(image.get_absolute_url()).text)
    found = set()
    for crop in offered:
        assert post_region(client, image, crop=crop).status_code == 302
        found.add(colour_of(last_query_picture()))
    assert (len(offered), found) == (4, set(CORNERS))


def test_the_windows_of_a_wide_picture_are_offered(client: Client):
    image = an_image(width=1200, height=200, windows=[500, 0, 2500, 10_000, 6000, 0, 7666, 10_000])
    assert crops(client.get(image.get_absolute_url()).text) == ["5 0 20 100", "60 0 16.66 100"]


def test_for_a_picture_of_one_colour_no_region_is_offered(client: Client):
    assert crops(client.get(added(picture_bytes("red", size=(400, 300))).get_absolute_url()).text) == []


@pytest.mark.parametrize("crop", ["", "x", "1 2 3", "0 0 0 0", "90 90 20 20", "nan nan nan nan"])
def test_an_invalid_crop_is_refused(client: Client, crop: str):
    assert post_region(client, stored_image(), crop=crop).status_code == 400
    assert not QueryPicture.objects.exists()


def test_the_chip_names_the_picture_that_the_region_is_from(client: Client):
    image = add_picture(encoded(corners((480, 320)), "PNG"), Details(title="Flags & <corners>"), None).image
    address = post_region(client, image, **WHOLE)["Location"]
    page = client.get(address).text
    assert "Part of “Flags &amp; &lt;corners&gt;”" in page
    assert f'class="chip-picture" href="{image.get_absolute_url()}"' in page
    Image.objects.filter(pk=image.pk).update(title="")
    assert "Part of a picture" in client.get(address).text


def test_regions_of_hidden_pictures_are_for_curators_only(client: Client, as_carol: Client):
    image = stored_image(hidden=True)
    assert post_region(client, image, **WHOLE).status_code == 404
    assert post_region(as_carol, image, **WHOLE).status_code == 302


def test_a_picture_without_its_original_is_not_found(client: Client):
    assert post_region(client, an_image(), **WHOLE).status_code == 404
    damaged = an_image()
    storage.put(storage.original_key(damaged.id), b"damaged", "image/jpeg")
    assert post_region(client, damaged, **WHOLE).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_picture_deleted_while_its_region_is_embedded_is_not_found(client: Client, monkeypatch: pytest.MonkeyPatch):
    image = stored_image()

    show = decoding.shown_region

    def delete_first(*arguments: Any, **options: Any) -> decoding.Shown:
        Image.objects.filter(pk=image.pk).delete()
        return show(*arguments, **options)

    monkeypatch.setattr(decoding, "shown_region", delete_first)
    assert post_region(client, image, **WHOLE).status_code == 404
    assert not QueryPicture.objects.exists()


def test_a_get_request_for_the_form_leads_to_the_picture(client: Client):
    image = an_image()
    assert client.get(f"/images/{image.id}/region")["Location"] == f"/images/{image.id}/"


def test_a_form_from_another_site_is_refused():
    assert post_region(Client(enforce_csrf_checks=True), an_image(), **WHOLE).status_code == 403


@given(st.fixed_dictionaries(dict.fromkeys(WHOLE, st.text() | st.floats().map(str) | st.integers().map(str))))
def test_strange_numbers_are_a_region_in_the_picture_or_wrong(region: dict[str, str]):
    form = RegionForm(Image(width=640, height=480), region)
    if form.is_valid():
        left, top, right, bottom = form.cleaned_data["region"].pixels_of(640, 480)
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 480
    else:
        assert form.errors


@given(*(st.integers(0, 1000),) * 4, st.integers(1, 3000), st.integers(1, 3000))
def test_every_region_within_has_pixels_within(left: int, top: int, right: int, bottom: int, width: int, height: int):
    region = Region(left / 1000, top / 1000, (right - left) / 1000, (bottom - top) / 1000)
    assert region.is_within is (left < right and top < bottom)
    if region.is_within:
        x, y, right, bottom = region.pixels_of(width, height)
        assert 0 <= x < right <= width
        assert 0 <= y < bottom <= height
