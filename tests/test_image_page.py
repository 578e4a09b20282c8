"""One image: its page, renditions, download and reports."""

import html
import io
import re
import uuid

import pytest
from django.test import Client
from PIL import Image as PILImage

from search.curation.details import Details
from search.ingestion import add_picture
from search.models import Image
from search.objects import renditions, storage
from search.query import SearchQuery
from search.retrieval import PER_PAGE, find
from search.views.images import visible_image
from tests.base import a_vector, an_image, many_images, near, picture_bytes, stored_image
from tests.pictures import FORMATS, SECRETS, photo

pytestmark = pytest.mark.django_db

NOBODY = uuid.UUID(int=7)
"""The id of no image; fixed, as test names must be the same in each test process."""


def test_the_page_shows_the_image_and_its_fields(client: Client, alice):
    image = an_image(
        "A red star",
        description="Drawn at noon.",
        author="Ada",
        licence="CC0",
        source_link="https://example.org/star",
        tags=["red", "star"],
        uploader=alice,
    )
    page = client.get(image.get_absolute_url()).text
    for expected in ("A red star", "Drawn at noon.", "Ada", "CC0", "https://example.org/star", "alice", "640", "480"):
        assert expected in page
    assert f"/images/{image.id}/1600.webp" in page
    assert f"/images/{image.id}/download" in page
    assert f"like={image.id}" in page


def test_similar_images_are_shown_below_nearest_first(client: Client):
    image = an_image(vector=a_vector(1))
    far = an_image("far", vector=near(a_vector(1), 0.2))
    close = an_image("close", vector=near(a_vector(1), 0.9))
    similar = client.get(image.get_absolute_url()).text.partition('id="similar"')[2]
    assert 0 < similar.index(str(close.id)) < similar.index(str(far.id))


def neighbour_links(page: str) -> dict[str, str]:
    """The ids of the previous and next image that the page links to, by `rel`."""
    found = re.findall(r'rel="(prev|next) nofollow" href="/images/([0-9a-f-]{36})/', page)
    return dict(found)


def test_the_page_links_to_its_neighbours_in_the_search(client: Client):
    images = many_images(PER_PAGE + 3, tags=lambda number: ["sea"] if number else [])
    found = [str(image.pk) for image in find(SearchQuery.from_params({"tag": ["sea"]})).images]
    beyond = [str(image.pk) for image in find(SearchQuery.from_params({"tag": ["sea"], "page": ["2"]})).images]
    assert len(found) == PER_PAGE
    assert str(images[0].pk) not in found + beyond
    page = client.get(f"/images/{found[0]}/?tag=sea").text
    assert neighbour_links(page) == {"next": found[1]}
    assert f"1 of {PER_PAGE + 2}" in page
    assert 'href="/search?tag=sea"' in page
    # Across the end of a page of results, and back.
    page = client.get(f"/images/{found[-1]}/?tag=sea").text
    assert neighbour_links(page) == {"prev": found[-2], "next": beyond[0]}
    ahead = html.unescape(re.search(r'rel="next nofollow" href="([^"]+)"', page)[1])  # type: ignore[index]
    page = client.get(ahead).text
    assert neighbour_links(page) == {"prev": found[-1], "next": beyond[1]}
    assert f"{PER_PAGE + 1} of {PER_PAGE + 2}" in page


def test_without_a_search_the_neighbours_are_by_date_added(client: Client):
    images = many_images(4)
    images[1].hide()
    newest = [str(image.pk) for image in find(SearchQuery()).images]
    for number, image_id in enumerate(newest):
        beside = {"prev": newest[number - 1] if number else None, "next": dict(enumerate(newest)).get(number + 1)}
        assert neighbour_links(client.get(f"/images/{image_id}/").text) == {
            name: way for name, way in beside.items() if way
        }


@pytest.mark.parametrize(
    "query",
    [
        "min=great",
        "q=" + "x" * 2000,
        "like=none",
        "like=59a669a4-f695-4bb4-9199-92568184c917",
        "tag=elsewhere",
        "page=99",
        "seen=1&q=a",
    ],
)
def test_an_invalid_search_in_the_address_still_shows_the_image(client: Client, query: str):
    image = an_image("A red star")
    answer = client.get(f"{image.get_absolute_url()}?{query}")
    assert answer.status_code == 200
    assert "A red star" in answer.text
    assert "stage-position" in answer.text


def test_the_light_box_gets_only_the_side_panel(client: Client):
    image = an_image("A red star", tags=["star"])
    answer = client.get(f"{image.get_absolute_url()}?q=star", headers={"HX-Request": "true", "HX-Target": "panel"})
    assert "<html" not in answer.text
    assert f"/search?q=star&amp;unlike={image.pk}" in answer.text
    assert {"HX-Request", "HX-Target"} <= set(answer["Vary"].split(", "))


def test_markup_in_text_of_users_is_escaped(client: Client):
    image = an_image("<b>t</b>", description="<script>alert(1)</script>", author="<i>a</i>", tags=["<u>x</u>"])
    page = client.get(image.get_absolute_url()).text
    for markup in ("<b>t</b>", "<script>alert", "<i>a</i>", "<u>x</u>"):
        assert markup not in page


def test_an_unknown_image_is_404(client: Client):
    for address in (
        f"/images/{uuid.uuid4()}/",
        "/images/1/",
        "/images/x/download",
        f"/images/{uuid.uuid4()}/400.webp",
    ):
        response = client.get(address)
        assert response.status_code == 404
        assert "This page does not exist." in response.text


def test_a_hidden_image_is_visible_only_to_curators(client: Client, as_alice: Client, as_carol: Client):
    image = stored_image(hidden=True)
    for address in ("", "400.webp", "1600.webp", "download", "report/"):
        url = f"{image.get_absolute_url()}{address}"
        assert client.get(url).status_code == 404, url
        assert as_alice.get(url).status_code == 404, url
        assert as_carol.get(url).status_code == 200, url


def test_a_rendition_is_made_on_the_first_request_and_stored(client: Client):
    image = stored_image()
    response = client.get(f"/images/{image.id}/1600.webp")
    assert response["Content-Type"] == "image/webp"
    assert "private" in response["Cache-Control"]
    storage.delete([storage.original_key(image.id)])
    assert client.get(f"/images/{image.id}/1600.webp").content == response.content


def test_only_known_sizes_are_served(client: Client):
    assert client.get(f"/images/{stored_image().id}/399.webp").status_code == 404


def test_a_conditional_request_does_not_read_the_rendition(client: Client, monkeypatch: pytest.MonkeyPatch):
    image = stored_image()
    first = client.get(f"/images/{image.id}/400.webp")
    monkeypatch.setattr(renditions, "read_or_make", None)

    again = client.get(f"/images/{image.id}/400.webp", headers={"if-none-match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"] == "private, max-age=86400"


def test_browsers_revalidate_renditions_of_hidden_images(client: Client, as_carol: Client):
    image = stored_image(hidden=True)
    answer = as_carol.get(f"/images/{image.id}/400.webp")

    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert (
        client.get(f"/images/{image.id}/400.webp", headers={"if-none-match": answer.headers["ETag"]}).status_code
        == 404
    )


def test_a_rendition_without_an_original_is_404(client: Client):
    assert client.get(f"/images/{an_image().id}/400.webp").status_code == 404


@pytest.mark.parametrize("format", FORMATS)
def test_served_files_have_no_exif_and_no_place(client: Client, format: str):
    image = add_picture(photo(format), Details(title="From my phone"), None).image
    for address in ("400.webp", "1600.webp", "download"):
        response = client.get(f"/images/{image.id}/{address}")
        data = response.getvalue()
        assert not any(secret in data for secret in SECRETS), address
        assert 0x8825 not in PILImage.open(io.BytesIO(data)).getexif()


def test_a_download_is_named_after_the_title(client: Client):
    titled = add_picture(picture_bytes(), Details(title="빨간 별 / red star"), None).image
    untitled = add_picture(picture_bytes("blue"), Details(), None).image
    assert "red-star.jpg" in client.get(f"/images/{titled.id}/download")["Content-Disposition"]
    assert f"{untitled.id}.jpg" in client.get(f"/images/{untitled.id}/download")["Content-Disposition"]


def test_a_download_is_sent_as_an_attachment(client: Client):
    image = add_picture(picture_bytes(), Details(), None).image
    response = client.get(f"/images/{image.id}/download")
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.getvalue() == picture_bytes()


def test_an_image_can_be_reported(client: Client, as_alice: Client, alice):
    image = an_image()
    form = {"reason": "broken", "details": "Only grey."}
    assert client.post(f"/images/{image.id}/report/", form).status_code == 302
    assert as_alice.post(f"/images/{image.id}/report/", form).status_code == 302
    assert list(image.reports.order_by("id").values_list("reason", "details", "reporter", "resolved")) == [
        ("broken", "Only grey.", None, None),
        ("broken", "Only grey.", alice.id, None),
    ]


@pytest.mark.parametrize(
    "form", [{}, {"reason": "boring"}, {"reason": "other", "details": "x" * 1001}, {"details": "\0"}]
)
def test_a_report_without_a_valid_reason_is_refused(client: Client, form: dict[str, str]):
    image = an_image()
    response = client.post(f"/images/{image.id}/report/", form)
    assert response.status_code == 400
    assert not image.reports.exists()


def test_every_reason_has_its_radio_button(client: Client):
    page = client.get(f"/images/{an_image().id}/report/").text
    for reason in ("inappropriate", "broken", "violent", "explicit", "horror", "advertisement", "other"):
        assert f'value="{reason}"' in page


def test_the_page_accepts_no_post(client: Client):
    image = an_image()
    assert client.post(image.get_absolute_url()).status_code == 405
    assert Image.objects.get().updated == image.updated


def test_a_damaged_original_is_404(client: Client):
    image = stored_image()
    storage.put(storage.original_key(image.id), b"damaged", "image/jpeg")
    for address in ("1600.webp", "download"):
        assert client.get(f"/images/{image.id}/{address}").status_code == 404


@pytest.mark.parametrize(("size", "expected"), [((2000, 1000), (800, 400)), ((1000, 2000), (400, 800))])
def test_renditions_of_large_images_have_the_right_size(
    client: Client, size: tuple[int, int], expected: tuple[int, int]
):
    image = add_picture(picture_bytes(size=size), Details(), None).image
    made = PILImage.open(io.BytesIO(client.get(f"/images/{image.id}/800.webp").content))
    assert made.size == expected


def test_a_narrow_strip_has_renditions(client: Client):
    image = add_picture(picture_bytes(size=(3000, 3), format="PNG"), Details(), None).image
    made = PILImage.open(io.BytesIO(client.get(f"/images/{image.id}/800.webp").content))
    assert made.size == (800, 1)


@pytest.mark.django_db(transaction=True)
def test_reporting_an_image_deleted_during_the_request_is_404(client: Client, monkeypatch: pytest.MonkeyPatch):
    image = an_image()

    def deleted_after_lookup(*args: object) -> Image:
        found = visible_image(*args)
        Image.objects.filter(pk=image.pk).delete()
        return found

    monkeypatch.setattr("search.views.reports.visible_image", deleted_after_lookup)
    assert client.post(f"/images/{image.id}/report/", {"reason": "broken"}).status_code == 404
