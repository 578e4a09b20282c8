"""Previous and next picture within an album, a shared set and the timeline."""

import html
import re

import pytest
from django.test import Client

from search.curation import AddToAlbum, Hide, change
from search.models import Album, Capture, Image, PictureSet
from search.models.albums import Visibility
from tests.base import an_image
from tests.written_metadata import wall

pytestmark = pytest.mark.django_db


@pytest.fixture
def images() -> list[Image]:
    """In an order other than that of their arrival."""
    first, second, third = (an_image(title) for title in ("shore", "hill", "town"))
    return [second, first, third]


def links_by_kind(page: str) -> dict[str, str]:
    """The links of a picture's page, by their kind."""
    links = re.findall(r'<a class="stage-(?:tool|way) stage-(\w+)"[^>]*href="([^"]+)"', page)
    return {name: html.unescape(address) for name, address in links}


def titles_by_next_links(client: Client, start: str) -> list[str]:
    """The titles from the first picture of a list to the last, each with its position."""
    [address] = re.findall(r'<a class="tile-link" href="([^"]+)"', client.get(start).text)[:1]
    positions = []
    while address:
        page = client.get(html.unescape(address)).text
        title = re.search(r'id="panel-title"[^>]*>\s*(?:<a[^>]*>)?([^<]+)', page)
        place = re.search(r'data-slot="position">([^<]*)<', page)
        assert title
        assert place
        positions.append(f"{title[1].strip()} {place[1].strip()}".strip())
        address = links_by_kind(page).get("next", "")
    return positions


def test_a_picture_page_follows_the_order_of_its_album(client: Client, images: list[Image]):
    album = Album.objects.create(title="Summer", visibility=Visibility.PUBLIC)
    for image in images:
        change([image.pk], AddToAlbum(album))
    assert titles_by_next_links(client, album.get_absolute_url()) == ["hill 1 of 3", "shore 2 of 3", "town 3 of 3"]
    page = client.get(f"{images[2].get_absolute_url()}?in=album-{album.pk}").text
    assert links_by_kind(page)["back"] == album.get_absolute_url()
    assert "Back to Summer" in page
    change([images[1].pk], Hide())
    assert titles_by_next_links(client, album.get_absolute_url()) == ["hill 1 of 2", "town 2 of 2"]


def test_deleting_a_picture_on_its_page_leads_to_the_next_of_its_album(as_carol: Client, images: list[Image]):
    album = Album.objects.create(title="Summer", visibility=Visibility.PUBLIC)
    change([image.pk for image in images], AddToAlbum(album))
    for _ in images:
        first = re.findall(r'<a class="tile-link" href="([^"]+)"', as_carol.get(album.get_absolute_url()).text)[0]
        form = as_carol.get(first).text.partition('value="trash"')[0].rpartition("<form")[2]
        following = html.unescape(re.findall(r'name="next" value="([^"]+)"', form)[0])
        as_carol.post("/selection/change", {"do": "trash", "id": first.split("/")[2], "next": following})
        assert as_carol.get(following).status_code == 200
    assert following == album.get_absolute_url()


def test_a_picture_page_does_not_reveal_an_album_that_the_user_may_not_see(client: Client, as_alice: Client, images):
    album = Album.objects.create(title="Summer", visibility=Visibility.MEMBERS)
    change([images[0].pk], AddToAlbum(album))
    address = f"{images[0].get_absolute_url()}?in=album-{album.pk}"
    assert "Summer" in as_alice.get(address).text
    stranger = client.get(address)
    assert stranger.status_code == 200
    assert "Summer" not in stranger.text


def test_a_picture_page_follows_the_order_of_a_shared_set(client: Client, images: list[Image]):
    shared = PictureSet.keep([image.pk for image in images], None)
    assert titles_by_next_links(client, shared.get_absolute_url()) == ["hill 1 of 3", "shore 2 of 3", "town 3 of 3"]


def test_the_timeline_leads_from_the_newest_to_the_oldest_picture(client: Client, images: list[Image]):
    for image, day in zip(images, (3, 1, 3), strict=True):
        Capture.objects.create(image=image, taken=wall(2024, 5, day), taken_from="camera")
    an_image("undated")
    positions = titles_by_next_links(client, "/timeline/")
    assert sorted(positions[:2]) == ["hill", "town"]
    assert positions[2:] == ["shore"]
    page = client.get(f"{images[1].get_absolute_url()}?in=timeline").text
    assert links_by_kind(page)["back"] == "/timeline/?at=2024-05"


@pytest.mark.parametrize("mark", ["album-", "album-²", f"album-{'9' * 40}", "set-x", "timeline", "elsewhere", "\0"])
def test_an_unknown_list_leads_to_the_pictures_added_before_and_after(client: Client, images: list[Image], mark: str):
    page = client.get(images[0].get_absolute_url(), {"in": mark})
    assert page.status_code == 200
    assert set(links_by_kind(page.text)) == {"previous", "next"}
