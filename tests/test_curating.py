"""Changes by curators on the search page: of selected images, of all results, and of one image."""

import re
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search.models import Image, Revision, Trashed, WorkingSet
from search.retrieval import query_vector
from tests.admin_pages import log_in_staff, said
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db

CHANGE, UNDO, ALL = "/selection/change", "/selection/undo", "/selection/all"
JSON = {"Accept": "application/json"}


@pytest.fixture
def sea() -> list[Image]:
    return [an_image(name, tags=["sea"]) for name in ("A", "B", "C")]


def do(client: Client, verb: str, *images: Image, json: bool = True, **fields: Any) -> Any:
    data = {"do": verb, "id": [str(image.pk) for image in images], **fields}
    return client.post(CHANGE, data, headers=JSON if json else {})


def tags() -> dict[str, list[str]]:
    return dict(Image.objects.values_list("title", "tags"))


def hidden() -> set[str]:
    return set(Image.objects.filter(hidden=True).values_list("title", flat=True))


# Selected images


def test_selected_images_are_tagged_and_the_change_can_be_undone(
    as_carol: Client, carol: User, sea: list[Image]
) -> None:
    told = do(as_carol, "tag", *sea[:2], tags="summer, Sea", query="q=boat").json()
    assert tags() == {"A": ["sea", "summer"], "B": ["sea", "summer"], "C": ["sea"]}
    assert told["done"] == "2 pictures were tagged."
    (revision,) = Revision.objects.all()
    assert (revision.by, revision.door, revision.search, revision.count) == (carol, "page", "q=boat", 2)
    undone = as_carol.post(UNDO, {"revision": told["undo"]}, headers=JSON).json()
    assert undone["done"] == "2 pictures were reverted."
    assert set(map(tuple, tags().values())) == {("sea",)}


def test_tags_are_removed_regardless_of_case(as_carol: Client, sea: list[Image]) -> None:
    assert do(as_carol, "untag", *sea, tags="SEA").json()["count"] == 3
    assert tags() == {"A": [], "B": [], "C": []}


def test_only_filled_in_fields_are_set(as_carol: Client) -> None:
    images = [an_image("A", author="Ada"), an_image("B", author="Bob", licence="CC0")]
    do(as_carol, "edit", *images, title="", author="", licence=" CC BY 4.0 ", description="")
    assert list(Image.objects.order_by("title").values_list("title", "author", "licence")) == [
        ("A", "Ada", "CC BY 4.0"),
        ("B", "Bob", "CC BY 4.0"),
    ]


def test_a_form_with_initial_values_sets_only_changed_fields_and_can_empty_them(
    as_carol: Client,
) -> None:
    image = an_image("A", author="Ada", licence="CC0")
    Image.objects.update(licence="list has changed")
    fields = {"title": "A", "author": "", "licence": "CC0"}
    do(as_carol, "edit", image, **fields, **{f"shown-{name}": value for name, value in fields.items() if value},
       **{"shown-author": "Ada"})  # fmt: skip
    image.refresh_from_db()
    assert (image.title, image.author, image.licence) == ("A", "", "list has changed")


@pytest.mark.parametrize("verb", ["hide", "trash"])
def test_hiding_or_deleting_several_asks_with_their_number_and_a_sample(
    as_carol: Client, verb: str, sea: list[Image]
) -> None:
    asked = do(as_carol, verb, *sea).json()
    assert not hidden()
    assert asked["count"] == 3
    assert asked["question"].count("<img") == 3
    kept = re.search(r'name="set" value="([^"]+)"', asked["question"])
    assert kept
    an_image("D", tags=["sea"])
    done = as_carol.post(CHANGE, {"do": verb, "set": kept[1]}, headers=JSON).json()
    assert done["count"] == 3
    assert hidden() == {"A", "B", "C"}
    assert Trashed.objects.count() == (3 if verb == "trash" else 0)
    as_carol.post(UNDO, {"revision": done["undo"]})
    assert not hidden()
    assert not Trashed.objects.exists()


def test_one_image_is_hidden_shown_and_deleted_without_confirmation(as_carol: Client, sea: list[Image]) -> None:
    do(as_carol, "hide", sea[0])
    assert hidden() == {"A"}
    do(as_carol, "show", sea[0])
    assert not hidden()
    assert do(as_carol, "trash", sea[0]).json()["done"] == "1 picture was deleted."
    assert Trashed.objects.count() == 1


def test_deleting_permanently_needs_confirmation_even_for_one_image(
    as_carol: Client, sea: list[Image], settings: Any
) -> None:
    settings.TRASH_DAYS = 0
    asked = do(as_carol, "trash", sea[0]).json()
    assert "permanently" in asked["question"]
    assert Image.objects.count() == 3


def test_a_sample_shows_the_number_of_further_images(as_carol: Client) -> None:
    asked = do(as_carol, "hide", *many_images(20)).json()["question"]
    assert asked.count("<img") == 12
    assert "and 8 more" in asked


def test_without_javascript_the_answer_is_a_page_with_an_undo_button(as_carol: Client, sea: list[Image]) -> None:
    page = do(as_carol, "hide", *sea, json=False, next="/search?q=boat")
    assert "Hide 3 pictures?" in page.text
    kept = re.search(r'name="set" value="([^"]+)"', page.text)
    assert kept
    answer = as_carol.post(CHANGE, {"do": "hide", "set": kept[1], "next": "/search?q=tag:sea"}, follow=True)
    assert answer.redirect_chain == [("/search?q=tag:sea", 302)]
    revision = Revision.objects.get()
    assert "3 pictures are now hidden." in answer.text
    assert f'name="revision" value="{revision.pk}"' in answer.text
    assert "were reverted" in said(as_carol.post(UNDO, {"revision": revision.pk}, follow=True))


def test_undo_keeps_and_names_later_changes_of_the_same_field(
    as_carol: Client, sea: list[Image], client: Client
) -> None:
    told = do(as_carol, "tag", *sea, tags="x").json()
    log_in_staff(client, "change_image")
    do(client, "tag", sea[0], tags="later")
    undone = as_carol.post(UNDO, {"revision": told["undo"]}, headers=JSON).json()["done"]
    assert undone == "2 pictures were reverted. 1 picture was skipped, because dora changed it later."
    assert tags()["A"] == ["sea", "x", "later"]


# All results


@pytest.mark.parametrize("asked", [{"q": "tag:sea"}, {"tag": "sea"}, {"q": "sea", "mode": "words"}])
def test_changing_all_results_changes_exactly_those_shown_for_confirmation(
    as_carol: Client, asked: dict[str, str], sea: list[Image]
) -> None:
    many_images(2)
    page = as_carol.get("/search", asked).text
    link = re.search(r'href="(/selection/all\?[^"]*)"', page)
    assert link
    assert "Change all 3 results" in page
    form = as_carol.get(link[1].replace("&amp;", "&"))
    assert "Change 3 pictures" in form.text
    assert form.text.count("<img") >= 3
    kept = re.search(r'name="set" value="([^"]+)"', form.text)
    assert kept
    an_image("D", tags=["sea"])
    as_carol.post(CHANGE, {"do": "tag", "set": kept[1], "tags": "all"})
    assert set(Image.objects.filter(tags__contains=["all"]).values_list("title", flat=True)) == {"A", "B", "C"}
    assert Revision.objects.get().search == urlencode(asked)


def test_without_a_query_the_whole_collection_is_changed(as_carol: Client) -> None:
    many_images(30)
    form = as_carol.get(ALL, {"all": "any"}).text
    kept = re.search(r'name="set" value="([^"]+)"', form)
    assert kept
    as_carol.post(CHANGE, {"do": "hide", "set": kept[1]})
    assert Image.objects.filter(hidden=True).count() == 30


def test_a_semantic_search_offers_its_strong_matches_instead_of_all_results(
    as_carol: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))
    for number in range(3):
        an_image("boat", vector=near(a_vector(1), 0.9 - number / 100))
    many_images(40)
    assert as_carol.get(ALL, {"q": "boat", "all": "any"}).status_code == 400
    page = as_carol.get("/search", {"q": "boat"}).text
    assert "Change all 3 strong matches" in page
    assert "Change all 43" not in page
    assert "Change 3 pictures" in as_carol.get(ALL, {"q": "boat", "all": "strong"}).text


def test_all_results_include_hidden_images_only_on_request(as_carol: Client, sea: list[Image]) -> None:
    Image.objects.filter(title="A").update(hidden=True)
    assert "Change 2 pictures" in as_carol.get(ALL, {"tag": "sea", "all": "any"}).text
    assert "Change 3 pictures" in as_carol.get(ALL, {"tag": "sea", "hidden": "with", "all": "any"}).text


# Permissions


@pytest.mark.parametrize("verb", ["tag", "untag", "hide", "show", "edit", "trash"])
def test_changes_need_permission(verb: str, sea: list[Image], as_alice: Client) -> None:
    viewer = Client()
    log_in_staff(viewer, "view_image", "change_image" if verb == "trash" else "delete_image")
    for client in (Client(), as_alice, viewer):
        assert do(client, verb, sea[0], tags="x", title="x").status_code == 403
    assert tags() == {"A": ["sea"], "B": ["sea"], "C": ["sea"]}
    assert not hidden()


def test_controls_are_hidden_without_permission(sea: list[Image], as_alice: Client, client: Client) -> None:
    log_in_staff(client, "view_image")
    for user in User.objects.all():
        user.groups.clear()  # roles allow at least albums
    for one in (Client(), as_alice, client):
        for address in ("/search?q=tag:sea", sea[0].get_absolute_url()):
            page = one.get(address).text
            assert "curate" not in page
            assert "data-verb" not in page
            assert "/selection/all" not in page
        assert one.get(ALL, {"tag": "sea", "all": "any"}).status_code == 404


def test_a_confirmation_is_valid_only_for_its_curator(
    as_carol: Client, carol: User, sea: list[Image], client: Client
) -> None:
    kept = WorkingSet.keep(carol, [image.pk for image in sea])
    log_in_staff(client, "change_image")
    assert client.post(CHANGE, {"do": "hide", "set": str(kept.pk)}).status_code == 400
    assert not hidden()


def test_undoing_the_changes_of_others_needs_permission(
    as_carol: Client, sea: list[Image], as_alice: Client, client: Client
) -> None:
    told = do(as_carol, "trash", sea[0]).json()
    log_in_staff(client, "change_image")
    for other in (as_alice, client, Client()):
        assert other.post(UNDO, {"revision": told["undo"]}).status_code == 403
    assert Trashed.objects.count() == 1


# Errors


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"do": "odd"}, "This change does not exist"),
        ({"do": ""}, "This change does not exist"),
        ({"do": "tag", "tags": " , "}, "Enter a tag first"),
        ({"do": "tag", "tags": "x" * 61}, "at most 60"),
        ({"do": "edit"}, "Fill in what you want to change"),
        ({"do": "edit", "source_link": "javascript:alert(1)"}, "Source link: "),
        ({"do": "edit", "title": "x" * 301}, "300"),
        ({"do": "hide", "set": "odd"}, "Start again"),
        ({"do": "hide", "set": str(uuid.uuid4())}, "Start again"),
        ({"do": "hide", "id": "odd"}, "One of the pictures is unknown"),
        ({"do": "hide", "id": []}, "Choose at least one"),
        ({"do": "hide", "id": str(uuid.uuid4())}, "None of these pictures"),
    ],
)
@pytest.mark.parametrize("json", [True, False])
def test_an_invalid_change_shows_an_error_and_changes_nothing(
    as_carol: Client, sea: list[Image], fields: dict[str, Any], problem: str, json: bool
) -> None:
    answer = as_carol.post(CHANGE, {"id": str(sea[0].pk), **fields}, headers=JSON if json else {})
    assert answer.status_code == 400
    assert problem in (answer.json()["problem"] if json else answer.text)
    assert not Revision.objects.exists()


@pytest.mark.parametrize("revision", ["", "x", "9" * 30, "12345", "-1", "²"])
def test_undoing_an_unknown_revision_is_an_error(as_carol: Client, revision: str) -> None:
    assert as_carol.post(UNDO, {"revision": revision}).status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"q": " ".join(f"tag:t{number}" for number in range(40))},
        {"all": "odd", "q": "boat"},
        {"tag": "nowhere"},
        {"format": "x"},
    ],
)
def test_all_results_of_an_invalid_or_empty_search_are_refused(
    as_carol: Client, asked: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))
    an_image("A")
    assert as_carol.get(ALL, asked).status_code == 400


def test_redirects_stay_on_the_site(as_carol: Client, sea: list[Image]) -> None:
    answer = do(as_carol, "hide", sea[0], json=False, next="https://elsewhere.example/")
    assert answer.headers["Location"] == "/"


# The page of an image


def test_the_page_of_an_image_has_forms_to_change_it(as_carol: Client, sea: list[Image]) -> None:
    page = as_carol.get(sea[0].get_absolute_url()).text
    assert page.count('action="/selection/change"') == 6
    assert 'name="shown-title" value="A"' in page
    answer = do(as_carol, "trash", sea[0], json=False, next="/")
    assert answer.headers["Location"] == "/"
