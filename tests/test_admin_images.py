"""What curators do with the pictures."""

import uuid
from http import HTTPStatus

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from search import storage
from search.admin import filters, lists
from search.models import Image, OwedDeletion, Report
from tests.base import an_image, stored_image

pytestmark = pytest.mark.django_db

LIST = "/admin/search/image/"


def change_page(image: Image) -> str:
    return reverse("admin:search_image_change", args=[image.pk])


def titles(response) -> set[str]:
    return {image.title for image in response.context["cl"].result_list}


def act(client: Client, action: str, *images: Image, where: str = LIST, **more):
    data = {"action": action, "_selected_action": [str(image.pk) for image in images], "index": "0", **more}
    return client.post(where, data, follow=True)


def said(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def filters_of(response) -> list:
    return [spec for spec in response.context["cl"].filter_specs if hasattr(spec, "parameter_name")]


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


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def victor(db) -> User:
    """Staff who may look at everything and change nothing."""
    victor = User.objects.create_user("victor", is_staff=True)
    victor.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return victor


@pytest.fixture
def as_victor(victor: User) -> Client:
    client = Client()
    client.force_login(victor)
    return client


# The list


def test_the_list_shows_each_picture_with_what_is_known_of_it(as_carol, alice):
    image = an_image("Lighthouse", tags=["sea", "등대"], uploader=alice, hidden=True, format="PNG")
    Report.objects.create(image=image, reason="other")
    page = as_carol.get(LIST).content.decode()
    assert reverse("rendition", args=[image.pk, storage.THUMBNAIL]) in page
    assert image.placeholder in page
    for text in ("Lighthouse", "등대", "alice", "Hidden", "PNG", "640 × 480", "1 pending"):
        assert text in page


def test_the_list_asks_as_much_of_the_database_for_one_picture_as_for_many(
    as_carol, alice, bob, django_assert_num_queries
):
    def page_of(*uploaders):
        for uploader in uploaders:
            Report.objects.create(image=an_image("A", uploader=uploader, tags=["a", "b"]), reason="other")

    page_of(alice)
    as_carol.get(LIST)
    with CaptureQueriesContext(connection) as first:
        as_carol.get(LIST)
    page_of(*[alice, bob, None] * 9)
    with django_assert_num_queries(len(first)):
        as_carol.get(LIST)


def test_the_list_reads_no_vector(as_carol, django_assert_num_queries):
    an_image("A")
    with CaptureQueriesContext(connection) as queries:
        as_carol.get(LIST)
    assert not [query["sql"] for query in queries if '"embedding"' in query["sql"]]


def test_a_curator_is_led_to_the_upload_and_can_add_no_row_by_hand(as_carol):
    page = as_carol.get(LIST).content.decode()
    assert reverse("upload") in page
    assert "/admin/search/image/add/" not in page
    assert as_carol.get(LIST + "add/").status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "search",
    ["light", "STORM", "inspector", "바다", "Lighthouse sea"],
    ids=["title", "description", "author", "tag", "two words"],
)
def test_the_search_looks_at_all_that_people_say_of_a_picture(as_carol, search):
    an_image("Lighthouse", description="before the storm", author="Inspector Gadget", tags=["바다", "sea"])
    an_image("Mountain")
    assert titles(as_carol.get(LIST, {"q": search})) == {"Lighthouse"}


def test_a_pasted_id_or_address_finds_the_picture(as_carol):
    image = an_image("Lighthouse")
    an_image("Mountain")
    for pasted in (str(image.pk), image.pk.hex, f"https://pictures.example{image.get_absolute_url()}"):
        assert titles(as_carol.get(LIST, {"q": pasted})) == {"Lighthouse"}
    assert titles(as_carol.get(LIST, {"q": str(uuid.uuid4())})) == set()


def test_the_list_is_narrowed_by_each_filter(as_carol, alice):
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
        assert titles(as_carol.get(f"{LIST}?{query}")) == {"One"}, query
    for query in ("hidden=no", "uploader=none"):
        assert titles(as_carol.get(f"{LIST}?{query}")) == {"Two"}, query
    assert titles(as_carol.get(LIST, {"created__gte": "2000-01-01 00:00:00+00:00"})) == {"One", "Two"}


def test_filters_offer_only_what_there_is_with_the_commonest_tags_first(as_carol, alice, bob):
    an_image("One", tags=["rare", "common"], uploader=alice)
    an_image("Two", tags=["common"], embedding_model="older")
    offered = {spec.parameter_name: spec.lookup_choices for spec in filters_of(as_carol.get(LIST))}
    assert offered["tag"] == [("common", "common (2)"), ("rare", "rare (1)")]
    assert ("older", "older") in offered["model"]
    assert [name for _key, name in offered["uploader"]][:-1] == ["alice"]


def test_a_tag_beyond_the_commonest_can_be_filtered_by_its_link(as_carol):
    for number in range(60):
        an_image(tags=[f"tag {number:02}"])
    response = as_carol.get(LIST, {"tag": "tag 59"})
    assert len(response.context["cl"].result_list) == 1
    tags = next(spec for spec in filters_of(response) if spec.parameter_name == "tag")
    assert len(tags.lookup_choices) == 51


def test_tags_of_a_large_table_are_counted_over_a_sample(monkeypatch, as_carol):
    for number in range(300):
        an_image(tags=["sea"], seed=number)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE search_image")
    monkeypatch.setattr(filters, "REMEMBER_TAGS_FROM", 1)
    monkeypatch.setattr(filters, "SAMPLE", 299.9)
    tags = next(spec for spec in filters_of(as_carol.get(LIST)) if spec.parameter_name == "tag")
    assert tags.lookup_choices == [("sea", "sea (≈300)")]
    with CaptureQueriesContext(connection) as queries:
        as_carol.get(LIST)
    assert not [query["sql"] for query in queries if "unnest" in query["sql"]]


def test_a_long_list_is_counted_so_far_as_people_page(monkeypatch, as_carol):
    monkeypatch.setattr(lists, "MOST_COUNTED", 3)
    for number in range(4):
        an_image(f"{number}")
    page = as_carol.get(LIST, {"q": "4"})
    assert "More than" not in page.content.decode()
    assert "More than 3 images" in as_carol.get(LIST).content.decode()


def test_a_page_beyond_the_last_is_the_last(as_carol):
    an_image("One")
    for page in ("0", "-1", "2", "1000000000", "abc"):
        assert titles(as_carol.get(LIST, {"p": page}, follow=True)) == {"One"}


# Bulk actions


def test_a_curator_hides_pictures_in_bulk_and_shows_them_again(as_carol):
    one, two, other = an_image("One"), an_image("Two"), an_image("Other")
    assert "2 pictures are hidden now" in said(act(as_carol, "hide", one, two))
    assert set(Image.objects.filter(hidden=True)) == {one, two}
    assert "1 picture is shown now" in said(act(as_carol, "show", one, other))
    assert set(Image.objects.filter(hidden=True)) == {two}


def test_what_is_done_in_bulk_stands_in_the_history_of_each_picture(as_carol, carol):
    images = [an_image("One"), an_image("Two")]
    act(as_carol, "hide", *images)
    entries = LogEntry.objects.filter(user=carol)
    assert {entry.object_id for entry in entries} == {str(image.pk) for image in images}
    assert "One" in as_carol.get(change_page(images[0]).replace("change", "history")).content.decode()


def test_a_curator_adds_tags_in_bulk_each_once(as_carol):
    one, two = an_image("One", tags=["Sea"]), an_image("Two")
    response = act(as_carol, "add_tags", one, two, tags=" sea , 저녁  빛,sea")
    assert "tags of 2 pictures" in said(response)
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.tags, two.tags) == (["Sea", "저녁 빛"], ["sea", "저녁 빛"])


def test_a_curator_removes_tags_in_bulk(as_carol):
    image = an_image("One", tags=["Sea", "evening"])
    updated = image.updated
    act(as_carol, "remove_tags", image, tags="sea")
    image.refresh_from_db()
    assert image.tags == ["evening"]
    assert image.updated > updated


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("", "Write the tags"),
        (" , ", "Write the tags"),
        ("x" * 61, "at most 60"),
        ("a\0b", "Null"),
        (",".join(map(str, range(51))), "at most 50"),
    ],
)
def test_tags_that_can_not_be_are_explained_and_change_nothing(as_carol, tags, problem):
    image = an_image("One", tags=["sea"])
    assert problem in said(act(as_carol, "add_tags", image, tags=tags))
    image.refresh_from_db()
    assert image.tags == ["sea"]


def test_a_picture_full_of_tags_is_left_as_it_is(as_carol):
    full, other = an_image(tags=[str(number) for number in range(50)]), an_image()
    assert "50 tags: 1" in said(act(as_carol, "add_tags", full, other, tags="sea"))
    full.refresh_from_db()
    other.refresh_from_db()
    assert (len(full.tags), other.tags) == (50, ["sea"])


def test_too_many_pictures_at_once_are_refused(monkeypatch, as_carol):
    monkeypatch.setattr(lists, "MOST_AT_ONCE", 1)
    images = [an_image("One"), an_image("Two")]
    for action in ("hide", "add_tags", "delete_selected"):
        assert "At most 1" in said(act(as_carol, action, *images, tags="sea"))
    assert not Image.objects.filter(hidden=True).exists()


# Deletion


@pytest.mark.django_db(transaction=True)
def test_deleting_in_bulk_asks_first_then_takes_rows_and_objects(as_carol):
    images = [stored_image(title="One"), stored_image(title="Two")]
    Report.objects.create(image=images[0], reason="other")
    page = act(as_carol, "delete_selected", *images).content.decode()
    assert "Delete these 2 pictures" in page
    assert Image.objects.count() == 2
    response = act(as_carol, "delete_selected", *images, post="yes", expected="2")
    assert "Successfully deleted 2" in said(response)
    assert not Image.objects.exists()
    assert not Report.objects.exists()
    assert not OwedDeletion.objects.exists()
    with pytest.raises(storage.MissingObject):
        storage.read(storage.original_key(images[0].pk))


@pytest.mark.django_db(transaction=True)
def test_deleting_one_picture_takes_its_objects(as_carol):
    image = stored_image(title="One")
    as_carol.post(reverse("admin:search_image_delete", args=[image.pk]), {"post": "yes"})
    assert not Image.objects.exists()
    with pytest.raises(storage.MissingObject):
        storage.read(storage.original_key(image.pk))


def test_the_page_that_asks_before_deleting_names_a_few_of_many(as_carol):
    images = [an_image(f"Picture {number}") for number in range(60)]
    for image in images[:30]:
        Report.objects.create(image=image, reason="other")
    page = act(as_carol, "delete_selected", images[0], select_across="1").content.decode()
    assert page.count("<img") == 20
    assert "… and 40 more." in page
    assert page.count('name="_selected_action"') == 1
    assert "Delete these 60 pictures" in page


def test_nothing_is_deleted_when_the_list_has_changed_since_the_question(as_carol):
    image = an_image("One")
    act(as_carol, "delete_selected", image, select_across="1")
    an_image("Come meanwhile")
    response = act(as_carol, "delete_selected", image, select_across="1", post="yes", expected="1")
    assert "changed meanwhile" in said(response)
    assert Image.objects.count() == 2


def test_who_may_delete_pictures_may_delete_what_was_reported_of_them(carol, as_carol):
    carol.user_permissions.set(Permission.objects.filter(codename__in=["view_image", "delete_image"]))
    image = an_image("One")
    Report.objects.create(image=image, reason="other")
    as_carol.post(reverse("admin:search_image_delete", args=[image.pk]), {"post": "yes"})
    assert not Image.objects.exists()


# One picture


def test_a_curator_edits_what_people_say_of_a_picture(as_carol, alice):
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


def test_what_the_content_decides_is_shown_and_can_not_be_changed(as_carol):
    image = an_image("One")
    page = as_carol.get(change_page(image)).content.decode()
    for text in (str(image.pk), "JPEG", "640 × 480", "1000", "#aabbcc", image.embedding_model):
        assert text in page
    forged = form_of(image, width="1", format="PNG", id=str(uuid.uuid4()), embedding_model="other", byte_size="7")
    as_carol.post(change_page(image), forged)
    image.refresh_from_db()
    assert (image.width, image.format, image.byte_size) == (640, "JPEG", 1000)


def test_the_page_of_a_picture_leads_to_its_public_page_and_its_reports(as_carol):
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
def test_a_wrong_value_is_told_at_its_field(as_carol, field, value):
    image = an_image("One")
    response = as_carol.post(change_page(image), form_of(image, **{field: value}))
    assert response.status_code == HTTPStatus.OK
    assert field in response.context["adminform"].form.errors


# Who may do what


def test_staff_who_may_only_look_change_nothing(as_victor):
    image = an_image("One", tags=["sea"])
    page = as_victor.get(LIST)
    assert page.context["action_form"] is None
    for action in ("hide", "add_tags", "delete_selected"):
        act(as_victor, action, image, tags="sky", post="yes")
    assert as_victor.post(change_page(image), form_of(image, title="Other")).status_code == HTTPStatus.FORBIDDEN
    assert as_victor.get(change_page(image)).status_code == HTTPStatus.OK
    image.refresh_from_db()
    assert (image.title, image.hidden, image.tags) == ("One", False, ["sea"])


def test_people_who_are_no_staff_are_asked_to_log_in(as_alice, client):
    an_image("One")
    for visitor in (as_alice, client):
        assert visitor.get(LIST).headers["Location"].startswith("/admin/login/")


# Wrong input


@pytest.mark.parametrize(
    "address",
    [
        "not-a-uuid/change/",
        "%00/change/",
        "%ED%A0%80/delete/",
        f"{uuid.UUID(int=0)}/change/",
        f"{'x' * 1500}/history/",
        "?q=%00",
        "?q=%ED%A0%80",
        "?q=%22",
        "?q=" + "x" * 100_000,
        "?q=" + "a+" * 900,
        "?tag=%00",
        "?tag=%ED%A0%80",
        "?model=%00",
        "?hidden=maybe",
        "?uploader=x",
        "?uploader=99999999999999999999",
        "?uploader=%00",
        "?format__exact=%00",
        "?created__gte=never",
        "?created__gte=9999-12-31+23:59:59-14:00",
        "?created__year=99999999",
        "?title=%00",
        "?tags=x",
        "?embedding=x",
        "?width=99999999999999999999",
        "?id__exact=x",
        "?id__in=x,y",
        "?nothing=1",
        "?uploader__password__startswith=a",
        "?o=99.-99.x",
        "?p=abc",
        "?e=1&tag=%00",
        "?_to_field=x",
        "?all=",
    ],
)
def test_no_address_breaks_the_list(as_carol, address):
    an_image("One")
    response = as_carol.get(LIST + address, follow=True)
    assert response.status_code in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}


def test_a_search_that_can_not_be_made_finds_nothing(as_carol):
    an_image("One")
    response = as_carol.get(LIST, {"q": "\0"})
    assert titles(response) == set()
    assert "Null characters" in said(response)


@pytest.mark.parametrize("selected", ["not-a-uuid", "\0", "", "x" * 10_000])
def test_a_selection_of_nonsense_changes_nothing(as_carol, selected):
    an_image("One")
    response = as_carol.post(LIST, {"action": "hide", "_selected_action": selected, "index": "0"}, follow=True)
    assert response.status_code == HTTPStatus.OK
    assert not Image.objects.filter(hidden=True).exists()


@pytest.mark.parametrize("term", ["ali", "\0", "x" * 5000])
def test_an_uploader_is_found_by_typing(carol, as_carol, alice, term):
    carol.user_permissions.add(Permission.objects.get(codename="view_user"))
    query = {"app_label": "search", "model_name": "image", "field_name": "uploader", "term": term}
    response = as_carol.get("/admin/autocomplete/", query)
    assert response.status_code == HTTPStatus.OK
    assert ("alice" in str(response.json())) == (term != "x" * 5000)


def test_the_lists_of_users_and_groups_bear_nonsense_too(admin_client):
    for model in ("user", "group"):
        for query in ("q=%00", "name=%00", "username=%00", "p=-5"):
            assert admin_client.get(f"/admin/auth/{model}/?{query}", follow=True).status_code < 500


# In the person's language


def test_the_admin_speaks_the_language_of_the_browser(as_carol):
    an_image("One")
    page = as_carol.get(LIST, headers={"Accept-Language": "ko"})
    assert 'lang="ko"' in page.content.decode()
