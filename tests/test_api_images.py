"""The API of one image."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.base import an_image, stored_image

pytestmark = pytest.mark.django_db


def test_an_image_is_returned_with_all_fields_and_working_links(client: Client, alice: User):
    image = stored_image(title="A pier", description="At dusk", tags=["sea"], uploader=alice)
    told = client.get(f"/api/images/{image.id}").json()
    assert (told["id"], told["title"], told["description"], told["tags"], told["uploader"], told["hidden"]) == (
        str(image.id), "A pier", "At dusk", ["sea"], "alice", False,
    )  # fmt: skip
    assert told["byte_size"] == 1000
    for link in ("page", "url", "download", "more_like_this"):
        assert client.get(f"{urlsplit(told[link]).path}?{urlsplit(told[link]).query}").status_code == 200


def test_an_id_is_accepted_in_every_uuid_notation(client: Client):
    image = an_image()
    for written in (str(image.id).upper(), image.id.hex, f"urn:uuid:{image.id}"):
        assert client.get(f"/api/images/{written}").json()["id"] == str(image.id)


@pytest.mark.parametrize("wrong", ["x", "0", "00000000-0000-8000-8000-000000000007", "%00", "%ff", "1" * 5000, "☃"])
def test_an_invalid_id_is_404(client: Client, wrong: str):
    assert client.get(f"/api/images/{wrong}").status_code == 404


def test_hidden_images_are_visible_only_to_curators(client: Client, as_alice: Client, as_carol: Client):
    image = an_image(hidden=True)
    assert [one.get(f"/api/images/{image.id}").status_code for one in (client, as_alice, as_carol)] == [404, 404, 200]
