"""The page of one image in the admin, and its permissions."""

import uuid
from http import HTTPStatus

import pytest
from django.urls import reverse

from search.models import Image, Report
from tests.admin_pages import IMAGES, act, log_in_staff, said
from tests.base import an_image

pytestmark = pytest.mark.django_db


def change_page(image: Image) -> str:
    return reverse("admin:search_image_change", args=[image.pk])


def form_of(image: Image, **changes) -> dict[str, object]:
    return {
        "title": image.title,
        "description": image.description,
        "tags": ", ".join(image.tags),
        "source_link": image.source_link,
        "author": image.author,
        "licence": image.licence,
        "uploader": image.uploader_id or "",
        **changes,
    }


# One picture


def test_a_curator_edits_the_descriptive_fields(as_carol, alice):
    image = an_image("One", tags=["sea"])
    page = as_carol.get(change_page(image)).content.decode()
    assert "sea</textarea>" in page
    new = {
        "title": "Lighthouse",
        "description": "Before the storm",
        "tags": "바다,  sea ,Sea",
        "author": "Gadget",
        "licence": "CC0",
        "source_link": "https://pictures.example/1",
        "uploader": alice.pk,
        "hidden": "on",
    }
    assert "changed successfully" in said(as_carol.post(change_page(image), new, follow=True))
    image.refresh_from_db()
    assert (image.title, image.tags, image.uploader, image.hidden) == ("Lighthouse", ["바다", "sea"], alice, True)
    assert (image.author, image.licence, image.source_link) == ("Gadget", "CC0", "https://pictures.example/1")


def test_technical_fields_are_shown_and_read_only(as_carol):
    image = an_image("One")
    page = as_carol.get(change_page(image)).content.decode()
    for text in (str(image.pk), "JPEG", "640 × 480", "1000", "#aabbcc", image.embedding_model):
        assert text in page
    forged = form_of(image, width="1", format="PNG", id=str(uuid.uuid4()), embedding_model="other", byte_size="7")
    as_carol.post(change_page(image), forged)
    image.refresh_from_db()
    assert (image.width, image.format, image.byte_size) == (640, "JPEG", 1000)


def test_the_page_links_to_the_public_page_and_the_reports(as_carol):
    image = an_image("One")
    Report.objects.create(image=image, reason="other")
    page = as_carol.get(change_page(image)).content.decode()
    assert f'href="{image.get_absolute_url()}"' in page
    assert f"/admin/search/report/?q={image.pk}" in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source_link", "javascript:alert(1)"),
        ("tags", "x" * 61),
        ("tags", "a\0"),
        ("title", "x" * 301),
        ("title", "\0"),
        ("uploader", "99999999999999999999"),
        ("uploader", "nobody"),
    ],
)
def test_an_invalid_value_shows_an_error_at_its_field(as_carol, field, value):
    image = an_image("One")
    response = as_carol.post(change_page(image), form_of(image, **{field: value}))
    assert response.status_code == HTTPStatus.OK
    assert field in response.context["adminform"].form.errors


# Permissions


def test_staff_with_view_permission_change_nothing(client):
    log_in_staff(client, "view_image", "view_report")
    image = an_image("One", tags=["sea"])
    page = client.get(IMAGES)
    assert page.context["action_form"] is None
    for action in ("hide", "add_tags", "delete_selected"):
        act(client, action, image, tags="sky", post="yes")
    assert client.post(change_page(image), form_of(image, title="Other")).status_code == HTTPStatus.FORBIDDEN
    assert client.get(change_page(image)).status_code == HTTPStatus.OK
    image.refresh_from_db()
    assert (image.title, image.hidden, image.tags) == ("One", False, ["sea"])


def test_users_who_are_not_staff_are_redirected_to_the_login(as_alice, client):
    an_image("One")
    for visitor in (as_alice, client):
        assert visitor.get(IMAGES).headers["Location"].startswith("/admin/login/")
