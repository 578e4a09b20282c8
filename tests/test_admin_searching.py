"""Semantic search in the admin's list: the results of the search page and hidden images, or none and an error."""

import uuid
from typing import Any

import pytest
from django.test import Client

from search.models import Capture, FormerId, Image, Revision, WorkingSet
from search.retrieval import query_vector
from tests.admin_pages import IMAGES, act, log_in_staff, rows, said, titles
from tests.base import a_vector, an_image, many_images, near, pending_image
from tests.written import wall

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fixed_query_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


@pytest.fixture
def pizzas() -> list[Image]:
    """Three pictures by descending similarity to the query, the nearest hidden; no text of theirs matches it."""
    return [
        an_image(name, vector=near(a_vector(1), similarity), **fields)
        for name, similarity, fields in (
            ("A", 0.9, {"hidden": True}),
            ("B", 0.8, {"tags": ["food"]}),
            ("C", 0.2, {}),
        )
    ]


def listed(response: Any) -> list[str]:
    return [image.title for image in rows(response)]


@pytest.mark.usefixtures("pizzas")
def test_results_are_nearest_first_and_include_hidden_pictures(as_carol: Client) -> None:
    answer = as_carol.get(IMAGES, {"q": "pizza"})
    assert listed(answer) == ["A", "B", "C"]
    assert [f"{image.similarity:.2f}" for image in rows(answer)] == ["0.90", "0.80", "0.20"]
    assert "0.90" in answer.text


@pytest.mark.usefixtures("pizzas")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "pizza", "hidden": "no"}, ["B", "C"]),
        ({"q": "pizza", "hidden": "yes"}, ["A"]),
        ({"q": "pizza is:hidden"}, ["A"]),
        ({"q": "pizza tag:food"}, ["B"]),
        ({"q": "pizza", "tag": "food"}, ["B"]),
        ({"q": "pizza", "lacks": "tags"}, ["A", "C"]),
        ({"q": "pizza", "o": "-2"}, ["C", "B", "A"]),
        ({"q": '"A"'}, ["A"]),
        ({"q": "A", "mode": "words"}, ["A"]),
    ],
)
def test_a_search_is_filtered_and_sorted_like_the_list(
    as_carol: Client, asked: dict[str, str], found: list[str]
) -> None:
    assert listed(as_carol.get(IMAGES, asked)) == found


def test_a_selective_filter_loses_no_result(as_carol: Client) -> None:
    many_images(60)
    an_image("far", vector=near(a_vector(1), -0.5), tags=["food"])
    assert listed(as_carol.get(IMAGES, {"q": "pizza", "tag": "food"})) == ["far"]


@pytest.mark.usefixtures("pizzas")
@pytest.mark.parametrize(
    "address", [f"{IMAGES}?q=pizza", f"{IMAGES}?q=pizza+tag:food", "/selection/all?q=pizza&all=related"]
)
def test_a_search_takes_few_queries(as_carol: Client, address: str, django_assert_max_num_queries: Any) -> None:
    many = many_images(250, tags=lambda number: ["food"])  # more than full-text candidates
    Image.objects.filter(pk__in=[image.pk for image in many]).update(title="pizza")
    as_carol.get(address)
    with django_assert_max_num_queries(20):
        assert as_carol.get(address).status_code == 200


def test_typed_filters_without_text_list_all_matches(as_carol: Client) -> None:
    an_image("One", tags=["sea"])
    an_image("Two", hidden=True)
    an_image("")
    assert titles(as_carol.get(IMAGES, {"q": "is:untagged"})) == {"Two", ""}
    assert titles(as_carol.get(IMAGES, {"q": "is:untitled"})) == {""}


def test_the_list_is_limited_to_the_nearest_and_says_so(as_carol: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.admin.searching.MOST_LISTED", 5)
    many_images(12)
    answer = as_carol.get(IMAGES, {"q": "pizza", "min": "any"})
    assert len(listed(answer)) == 5
    assert "The first 5 of 12 results are listed" in answer.text
    act(as_carol, "hide", *rows(answer)[:1], where=f"{IMAGES}?q=pizza&min=any", select_across="1")
    assert Image.objects.filter(hidden=True).count() == 5


@pytest.mark.usefixtures("pizzas")
@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"q": "pizza", "mode": "odd"}, "Possible values: both, meaning, words"),
        ({"q": "-" + " -".join(f"w{number}" for number in range(40))}, "parts"),
        ({"q": " ".join(f"tag:t{number}" for number in range(40))}, "parts"),
        ({"q": "x" * 1500}, "the limit is 1,000"),
        ({"q": "x" * 2500}, "too long"),
        ({"q": "pizza", "set": str(uuid.uuid4())}, "There is no such filter or page."),
    ],
)
def test_an_invalid_search_lists_nothing_and_shows_an_error(
    as_carol: Client, asked: dict[str, str], problem: str
) -> None:
    answer = as_carol.get(IMAGES, asked)
    assert answer.status_code == 400
    assert listed(answer) == []
    assert problem in said(answer)


@pytest.mark.usefixtures("pizzas", "no_model")
def test_without_a_model_nothing_is_listed_and_an_error_is_shown(
    as_carol: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    answer = as_carol.get(IMAGES, {"q": "pizza"})
    assert listed(answer) == []
    assert "not available right now" in said(answer)


# Pasted lists


def test_pasted_links_are_listed_in_their_order_and_unknown_ones_named(as_carol: Client) -> None:
    images = [an_image(f"{number}") for number in range(20)]
    an_image("another")
    chosen = images[5:0:-1]
    lost = uuid.uuid4()
    text = " ".join(f"https://p.example{image.get_absolute_url()}" for image in chosen) + f" {lost} nonsense"
    answer = as_carol.get(IMAGES, {"q": text})
    assert listed(answer) == ["5", "4", "3", "2", "1"]
    assert "5 pasted pictures were found." in answer.text
    assert f"Not found: {lost}, nonsense" in answer.text


def test_unknown_pasted_links_list_nothing(as_carol: Client) -> None:
    an_image("One")
    answer = as_carol.get(IMAGES, {"q": " ".join(str(uuid.uuid4()) for _ in range(26))})
    assert listed(answer) == []
    assert "and 16 more" in answer.text


def test_a_long_list_is_pasted_in_a_form_of_its_own(as_carol: Client) -> None:
    images = many_images(300)
    an_image("another")
    text = "\n".join([*(f"https://p.example{image.get_absolute_url()}" for image in images), "https://p.example/odd"])
    answer = as_carol.post(f"{IMAGES}paste/", {"pasted": text}, follow=True)
    assert answer.context["cl"].result_count == 300
    assert "300 pasted pictures were found. Not found: https://p.example/odd" in answer.text
    narrowed = f"{answer.request['PATH_INFO']}?{answer.request['QUERY_STRING']}&tag=sea"
    act(as_carol, "add_tags", images[0], where=narrowed.removesuffix("&tag=sea"), select_across="1", tags="sea")
    assert Image.objects.filter(tags=["sea"]).count() == 300
    assert as_carol.get(narrowed).context["cl"].result_count == 300


def test_a_pasted_list_is_private(as_carol: Client, carol: Any, client: Client) -> None:
    kept = WorkingSet.keep(carol, [an_image("One").pk])
    log_in_staff(client, "view_image")
    assert listed(client.get(IMAGES, {"set": str(kept.pk)})) == []
    assert listed(as_carol.get(IMAGES, {"set": str(kept.pk)})) == ["One"]


@pytest.mark.parametrize("text", ["", " \n ", "\0"])
def test_an_empty_pasted_list_is_refused(as_carol: Client, text: str) -> None:
    answer = as_carol.post(f"{IMAGES}paste/", {"pasted": text})
    assert answer.status_code == 400
    assert not WorkingSet.objects.exists()


def test_pasting_needs_permission_to_view_pictures(client: Client) -> None:
    log_in_staff(client, "view_report")
    assert client.post(f"{IMAGES}paste/", {"pasted": "x"}).status_code == 403


def test_a_picture_is_found_by_its_former_id(as_carol: Client, carol: Any) -> None:
    image, former = an_image("One"), uuid.uuid4()
    FormerId.objects.create(former_id=former, image=image)
    assert listed(as_carol.get(IMAGES, {"q": f"{former} x"})) == ["One"]
    assert WorkingSet.keep(carol, [former]).present() == [image.pk]


# Missing data


def test_pictures_without_a_title_date_vector_or_tags_can_be_listed(as_carol: Client) -> None:
    dated = an_image("dated", tags=["sea"], description="x")
    Capture.objects.create(image=dated, taken=wall(2020, 1, 1), taken_from="exif")
    an_image("", tags=["sea"], description="x")
    pending = pending_image(title="pending", tags=["sea"], description="x")
    assert {image.title for image in rows(as_carol.get(IMAGES, {"lacks": "title"}))} == {""}
    assert titles(as_carol.get(IMAGES, {"lacks": "date"})) == {"", "pending"}
    assert titles(as_carol.get(IMAGES, {"lacks": "vector"})) == {pending.title}
    assert titles(as_carol.get(IMAGES, {"lacks": "tags"})) == set()
    assert as_carol.get(IMAGES, {"lacks": "odd"}).status_code == 400


# The grid


def test_the_choice_of_grid_or_list_is_remembered(as_carol: Client) -> None:
    an_image("One")
    answer = as_carol.get(f"{IMAGES}?q=is:untagged&view=grid")
    assert answer.headers["Location"] == f"{IMAGES}?q=is%3Auntagged"
    assert "as-grid" in as_carol.get(IMAGES).text
    as_carol.get(f"{IMAGES}?view=list")
    assert "as-grid" not in as_carol.get(IMAGES).text


# Editing in the list


def save(client: Client, image: Image, field: str, value: str, shown: str = "") -> Any:
    return client.post(f"{IMAGES}{image.pk}/in-place/", {"field": field, "value": value, "shown": shown})


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [("title", "  Sea  side ", "Sea side"), ("title", "", ""), ("tags", "sea, Sea,evening ", ["sea", "evening"])],
)
def test_a_single_field_is_saved(as_carol: Client, carol: Any, field: str, value: str, kept: Any) -> None:
    image = an_image("Before", tags=["old"])
    answer = save(as_carol, image, field, value, shown="old" if field == "tags" else "Before")
    assert answer.status_code == 200
    image.refresh_from_db()
    assert getattr(image, field) == kept
    assert image.capture.edited == [field]
    assert [(one.by, one.fields) for one in Revision.objects.all()] == [(carol, [field])]


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("title", "x" * 301, 400),
        ("tags", "x" * 61, 400),
        ("tags", ", ".join(f"t{number}" for number in range(51)), 400),
        ("title", "\0", 400),
        ("hidden", "True", 400),
        ("title", "mine", 409),
        ("tags", "mine", 409),
    ],
)
def test_an_invalid_or_conflicting_edit_changes_nothing_and_shows_an_error(
    as_carol: Client, field: str, value: str, status: int
) -> None:
    image = an_image("Theirs", tags=["theirs"])
    answer = save(as_carol, image, field, value, shown="what I saw")
    assert answer.status_code == status
    assert answer.json()["problem"]
    if status == 409:
        assert answer.json()["value"].lower() == "theirs"
    image.refresh_from_db()
    assert (image.title, image.tags, image.hidden) == ("Theirs", ["theirs"], False)


def test_editing_a_deleted_picture_is_404(as_carol: Client) -> None:
    image = an_image("One")
    Image.objects.all().delete()
    assert save(as_carol, image, "title", "x").status_code == 404


def test_staff_with_view_permission_can_not_edit_in_the_list(client: Client) -> None:
    image = an_image("One")
    log_in_staff(client, "view_image")
    assert "data-field" not in client.get(IMAGES).text
    assert save(client, image, "title", "x", shown="One").status_code == 403


# Save and next


def test_save_and_next_opens_the_next_picture_of_the_list(as_carol: Client) -> None:
    first, second = (an_image(name, vector=near(a_vector(1), like)) for name, like in (("A", 0.9), ("B", 0.8)))
    an_image("other", tags=["x"])
    filters = "?_changelist_filters=q%3Dis%253Auntagged%26o%3D2"
    form = {"title": "A", "description": "", "tags": "done", "_next": "Save and next"}
    answer = as_carol.post(f"{IMAGES}{first.pk}/change/{filters}", form)
    # It has a tag now, so that the filter of the list excludes it.
    assert answer.headers["Location"].startswith(f"{IMAGES}{second.pk}/change/?_changelist_filters=")
    answer = as_carol.post(answer.headers["Location"], {**form, "title": "B"})
    assert answer.headers["Location"] == f"{IMAGES}?q=is%3Auntagged&o=2"
    assert Image.objects.filter(tags=["done"]).count() == 2
