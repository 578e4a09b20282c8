"""The list of images in the admin."""

import uuid
from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from search.admin import image_list_filters, model_admin_bases
from search.models import Origin, Report
from search.objects import storage
from tests.admin_pages import IMAGES, titles
from tests.base import an_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob")


def filters_of(response) -> list:
    return [spec for spec in response.context["cl"].filter_specs if hasattr(spec, "parameter_name")]


# The list


def test_the_list_shows_the_fields_of_each_picture(as_carol, alice):
    image = an_image("Lighthouse", tags=["sea", "등대"], uploader=alice, hidden=True, format="PNG")
    Report.objects.create(image=image, reason="other")
    page = as_carol.get(IMAGES).content.decode()
    assert reverse("rendition", args=[image.pk, storage.THUMBNAIL]) in page
    for text in ("Lighthouse", "등대", "alice", "Hidden", "PNG", "640 × 480", "1 pending"):
        assert text in page


def test_the_list_takes_as_many_queries_for_one_picture_as_for_many(as_carol, alice, bob, django_assert_num_queries):
    def page_of(*uploaders):
        for uploader in uploaders:
            Report.objects.create(image=an_image("A", uploader=uploader, tags=["a", "b"]), reason="other")

    page_of(alice)
    as_carol.get(IMAGES)
    with CaptureQueriesContext(connection) as first:
        as_carol.get(IMAGES)
    asked = len(first)
    page_of(*[alice, bob, None] * 9)
    as_carol.get(IMAGES)  # the choices of the filters are read again after the collection has changed
    with django_assert_num_queries(asked):
        as_carol.get(IMAGES)


def test_the_list_reads_no_vector(as_carol, django_assert_num_queries):
    an_image("A")
    with CaptureQueriesContext(connection) as queries:
        as_carol.get(IMAGES)
    assert not [query["sql"] for query in queries if '"embedding"' in query["sql"]]


def test_the_list_links_to_the_upload_and_has_no_add_form(as_carol):
    page = as_carol.get(IMAGES).content.decode()
    assert reverse("upload") in page
    assert "/admin/search/image/add/" not in page
    assert as_carol.get(IMAGES + "add/").status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "search",
    ["light", "STORM", "inspector", "바다", "Lighthouse sea"],
    ids=["title", "description", "author", "tag", "two words"],
)
def test_the_search_covers_title_description_author_and_tags(as_carol, search):
    an_image("Lighthouse", description="before the storm", author="Inspector Gadget", tags=["바다", "sea"])
    an_image("Mountain")
    assert titles(as_carol.get(IMAGES, {"q": search})) == {"Lighthouse"}


def test_a_file_name_finds_the_picture_imported_from_that_file(as_carol):
    image = an_image("Lighthouse")
    an_image("Mountain")
    Origin.objects.create(id=uuid.uuid4(), address="/photos/2023/IMG_0815.JPG", image_id=image.pk)
    assert "IMG_0815.JPG</bdi>" in as_carol.get(IMAGES).content.decode()
    for search in ("img_0815", "2023/IMG"):
        assert titles(as_carol.get(IMAGES, {"q": search})) == {"Lighthouse"}
    assert "IMG_0815.JPG" in as_carol.get(f"{IMAGES}{image.pk}/change/").content.decode()
    assert "IMG_0815.JPG" in as_carol.get(image.get_absolute_url()).content.decode()


def test_a_pasted_id_or_address_finds_the_picture(as_carol):
    image = an_image("Lighthouse")
    an_image("Mountain")
    for pasted in (str(image.pk), image.pk.hex, f"https://pictures.example{image.get_absolute_url()}"):
        assert titles(as_carol.get(IMAGES, {"q": pasted})) == {"Lighthouse"}
    assert titles(as_carol.get(IMAGES, {"q": str(uuid.uuid4())})) == set()


def test_each_filter_narrows_the_list(as_carol, alice):
    one = an_image("One", hidden=True, tags=["sea"], uploader=alice, format="PNG", embedding_model="older")
    an_image("Two", tags=["seaside"])
    Report.objects.create(image=one, reason="other")
    for query in (
        "hidden=yes",
        "tag=sea",
        f"uploader={alice.pk}",
        "format__exact=PNG",
        "model=older",
        "reported=pending",
    ):
        assert titles(as_carol.get(f"{IMAGES}?{query}")) == {"One"}, query
    for query in ("hidden=no", "uploader=none"):
        assert titles(as_carol.get(f"{IMAGES}?{query}")) == {"Two"}, query
    assert titles(as_carol.get(IMAGES, {"created__gte": "2000-01-01 00:00:00+00:00"})) == {"One", "Two"}


def test_filters_offer_only_existing_values_with_the_commonest_tags_first(as_carol, alice, bob):
    an_image("One", tags=["rare", "common"], uploader=alice)
    an_image("Two", tags=["common"], embedding_model="older")
    offered = {spec.parameter_name: spec.lookup_choices for spec in filters_of(as_carol.get(IMAGES))}
    assert offered["tag"] == [("common", "common (2)"), ("rare", "rare (1)")]
    assert ("older", "older") in offered["model"]
    assert [name for _key, name in offered["uploader"]][:-1] == ["alice"]


def test_a_rare_tag_can_be_filtered_by_its_link(as_carol):
    for number in range(60):
        an_image(tags=[f"tag {number:02}"])
    response = as_carol.get(IMAGES, {"tag": "tag 59"})
    assert len(response.context["cl"].result_list) == 1
    tags = next(spec for spec in filters_of(response) if spec.parameter_name == "tag")
    assert len(tags.lookup_choices) == 51


def test_the_uploader_filter_names_a_chosen_user_without_pictures(as_carol, alice):
    uploaders = next(
        spec for spec in filters_of(as_carol.get(IMAGES, {"uploader": alice.pk})) if spec.parameter_name == "uploader"
    )
    assert (str(alice.pk), "alice") in uploaders.lookup_choices


def test_tags_of_a_large_table_are_counted_in_a_sample(monkeypatch, as_carol):
    for number in range(300):
        an_image(tags=["sea"], seed=number)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE search_image")
    monkeypatch.setattr(image_list_filters, "SAMPLE", 299.9)
    tags = next(spec for spec in filters_of(as_carol.get(IMAGES)) if spec.parameter_name == "tag")
    assert tags.lookup_choices == [("sea", "sea (≈300)")]
    with CaptureQueriesContext(connection) as queries:
        as_carol.get(IMAGES)
    assert not [query["sql"] for query in queries if "unnest" in query["sql"]]


def test_a_long_list_is_counted_only_up_to_a_limit(monkeypatch, as_carol):
    monkeypatch.setattr(model_admin_bases, "MOST_COUNTED", 3)
    for number in range(4):
        an_image(f"{number}")
    page = as_carol.get(IMAGES, {"q": "is:hidden"})
    assert "More than" not in page.content.decode()
    assert "More than 3 images" in as_carol.get(IMAGES).content.decode()


def test_a_page_number_out_of_range_shows_a_page(as_carol):
    an_image("One")
    for page in ("0", "-1", "2", "1000000000", "abc"):
        assert titles(as_carol.get(IMAGES, {"p": page}, follow=True)) == {"One"}


# Language


def test_the_admin_uses_the_language_of_the_browser(as_carol):
    an_image("One")
    page = as_carol.get(IMAGES, headers={"Accept-Language": "ko"})
    assert 'lang="ko"' in page.content.decode()
