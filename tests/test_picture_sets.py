"""A selection shared as a link: exactly these pictures, in this order."""

import datetime as dt
import re
import uuid
from urllib.parse import urlencode

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from search.models import Album, Image, PictureSet
from tests.base import an_image

pytestmark = pytest.mark.django_db

SHARE = "/selection/share"


def share(client: Client, images: list[Image]) -> str:
    response = client.post(SHARE, {"id": [image.id for image in images]})
    assert response.status_code == 302
    address: str = response["Location"]
    return address


def image_ids(client: Client, address: str) -> list[uuid.UUID]:
    return [uuid.UUID(key) for key in re.findall(r'data-image="([^"]+)"', client.get(address).text)]


def test_the_page_shows_these_pictures_in_this_order(client: Client):
    # Titles that no random address or fingerprint in the page can contain.
    one, two, three = an_image("the first"), an_image("the second"), an_image("the third")
    an_image("the fourth")
    address = share(client, [three, one, two, one])
    assert image_ids(client, address) == [three.id, one.id, two.id]
    page = client.get(address)
    assert page.text.index("the third") < page.text.index("the first") < page.text.index("the second")
    assert "the fourth" not in page.text
    assert page.text.count('type="hidden" name="id"') == 3


def test_the_same_pictures_in_the_same_order_have_the_same_link(client: Client, as_alice: Client, alice):
    one, two = an_image(), an_image()
    address = share(as_alice, [one, two])
    assert share(client, [one, two]) == address != share(client, [two, one])
    assert PictureSet.objects.count() == 2
    assert PictureSet.objects.get(images=[one.id, two.id]).creator == alice


def test_the_page_says_how_many_pictures_are_gone(client: Client, as_carol: Client):
    one, two, three = an_image("one"), an_image("two"), an_image("three")
    address = share(client, [one, two, three])
    two.hide()
    three.delete()
    for visitor in (client, as_carol):
        assert image_ids(visitor, address) == [one.id]
        assert "2 pictures of this set no longer exist." in visitor.get(address).text
    one.delete()
    page = client.get(address)
    assert page.status_code == 200
    assert "None of the pictures in this set exist any longer." in page.text


def test_a_hidden_picture_returns_when_it_is_shown_again(client: Client):
    image = an_image()
    address = share(client, [image])
    image.hide()
    assert image_ids(client, address) == []
    Image.objects.update(hidden=False)
    assert image_ids(client, address) == [image.id]


def test_only_public_pictures_are_stored(client: Client, as_carol: Client):
    seen, hidden = an_image(), an_image(hidden=True)
    for visitor in (client, as_carol):
        visitor.post(SHARE, {"id": [uuid.uuid4(), hidden.id, seen.id]})
    assert list(PictureSet.objects.values_list("images", flat=True)) == [[seen.id]]


def test_a_set_can_be_turned_into_an_album(client: Client, as_alice: Client, alice):
    images = [an_image("first"), an_image("second")]
    address = share(client, images[::-1])
    assert "Create an album from them" not in client.get(address).text

    page = as_alice.get(address).text
    form = page[page.index("Create an album from them") :].partition("</form>")[0]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="(.+?)" value="(.+?)"', form):
        fields.setdefault(name, []).append(value)
    as_alice.post("/selection/change", {**fields, "album_title": "Of a friend"})

    album = Album.objects.get(title="Of a friend", owner=alice)
    assert list(album.entries.order_by("position").values_list("image", flat=True)) == [one.pk for one in images[::-1]]


def test_an_unknown_set_is_not_found(client: Client):
    for address in (f"/sets/{uuid.uuid4()}/", "/sets/1/", "/sets/"):
        assert client.get(address).status_code == 404
    assert client.post(share(client, [an_image()])).status_code == 405


def test_a_set_not_opened_for_a_year_is_deleted(client: Client):
    old, looked_at = share(client, [an_image()]), share(client, [an_image()])
    PictureSet.objects.update(seen=timezone.now() - dt.timedelta(days=366))
    assert client.get(looked_at).status_code == 200
    share(client, [an_image()])
    assert client.get(old).status_code == 404
    assert client.get(looked_at).status_code == 200


def test_opening_a_set_again_on_the_same_day_writes_nothing(client: Client):
    address = share(client, [an_image()])
    before = PictureSet.objects.get().seen
    client.get(address)
    assert PictureSet.objects.get().seen == before


@pytest.mark.parametrize("count", [0, 501])
def test_the_database_limits_the_size_of_a_set(count: int):
    with pytest.raises(IntegrityError), transaction.atomic():
        PictureSet.objects.create(id=uuid.uuid4(), images=[uuid.uuid4()] * count)


def test_a_set_outlives_the_account_that_shared_it(as_alice: Client, alice, client: Client):
    address = share(as_alice, [an_image()])
    alice.delete()
    assert client.get(address).status_code == 200


def test_logging_in_returns_to_the_set(client: Client):
    address = share(client, [an_image()])
    assert f"/accounts/login/?{urlencode({'next': address})}" in client.get(address).text
