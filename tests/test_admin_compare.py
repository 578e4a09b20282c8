"""The page that shows the results of two models side by side, and where curators judge their relevance."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client

from search.admin.model_comparison import Asked
from search.embedding import Loading, Pair, active_pair, forget
from search.embedding.loading import once_of
from search.model_comparison import pairs, side_by_side
from search.models import Image, ImageVector, Judgement
from search.models.vector_sets import current_set, drop_set, forget_sets, make_set
from tests.admin_pages import log_in_staff, said
from tests.base import a_vector, an_image, near
from tests.test_compare_models import OTHER, Words, World, axis

PAGE = "/admin/search/image/compare/"
JUDGE = f"{PAGE}judge/"
TABLE = f"{PAGE}judgements.csv"


@pytest.fixture
def world(db, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    known = {name: Pair(OTHER, OTHER) for name in (OTHER, "a third/model")}
    monkeypatch.setattr(pairs, "pair_of", lambda model: known.get(model, active_pair()))
    world = World()
    world.teach({"sea": (a_vector(0), axis(0)), "바다": (a_vector(1), axis(1)), "fish": (a_vector(2), axis(2))})
    yield world
    once_of("words").set(None)
    forget(OTHER)


def lists(response: Any) -> list[list[Image]]:
    return [[result["one"].image for result in side["results"]] for side in response.context["sides"]]


def judge(client: Client, image: Image, grade: object, **more: str) -> Any:
    return client.post(JUDGE, {"q": "sea", "language": "en", "judge": f"{image.pk}:{grade}", **more}, follow=True)


def grades() -> dict[Image, int]:
    return {one.image: one.grade for one in Judgement.objects.select_related("image")}


# Results


def test_the_results_of_both_models_are_side_by_side_nearest_first(world: World, as_carol: Client):
    response = as_carol.get(PAGE, {"q": "sea"})
    left, right = lists(response)
    assert left[0] == right[0] == world.images[0]
    assert (len(left), len(right)) == (24, 24)
    page = response.content.decode()
    assert OTHER in page
    assert "It has vectors of 30 pictures." in page
    assert f"{response.context['found'].overlap} of 24 pictures are in both lists." in page
    assert "Kendall" in page


def test_each_result_shows_its_rank_in_the_other_list(world: World, as_carol: Client):
    only = an_image("Only here", vector=near(a_vector(0), 0.9))
    world.put(world.other, {only: -axis(0)})
    ImageVector.objects.filter(image=world.images[0], set_id=world.other.id).update(embedding=axis(0))
    response = as_carol.get(PAGE, {"q": "sea"})
    left = response.context["sides"][0]["results"]
    assert [left[0]["sign"], left[1]["one"].image, left[1]["kind"]] == ["=", only, "alone"]
    moved = next(result for result in left if result["kind"] in {"up", "down"})
    assert moved["words"] == f"rank {moved['one'].other_place} in the other list"


def test_a_query_is_parsed_as_in_the_search_box(world: World, as_carol: Client):
    words = as_carol.get(PAGE, {"q": "sea -fish"})
    assert lists(words)[1][0] == world.images[0]
    world.put(world.other, {world.images[0]: axis(2)}, window=1)
    assert lists(as_carol.get(PAGE, {"q": "sea -fish"}))[1][0] != world.images[0], "A window shows what is unwanted."
    once_of("words", OTHER).set(Words({"Picture 7": axis(3), "sea": axis(0)}, 32))
    once_of("words").set(Words({"Picture 7": a_vector(3), "sea": a_vector(0)}, 512))
    assert lists(as_carol.get(PAGE, {"q": '"Picture 7"'})) == [[world.images[7]]] * 2
    like = as_carol.get(PAGE, {"like": str(world.images[5].pk)})
    assert len(lists(like)[0]) == 24
    assert world.images[5] not in lists(like)[0]


def test_hidden_pictures_are_not_found(world: World, as_carol: Client):
    Image.objects.filter(pk=world.images[0].pk).update(hidden=True)
    assert world.images[0] not in [image for found in lists(as_carol.get(PAGE, {"q": "sea"})) for image in found]


def test_two_other_vector_sets_can_be_chosen(world: World, as_carol: Client):
    third = make_set("a third/model", 32)
    world.put(third, {world.images[9]: axis(0)})
    response = as_carol.get(PAGE, {"q": "sea", "first": str(third.id), "second": str(world.other.id)})
    assert [side["set"].name for side in response.context["sides"]] == ["a third/model", OTHER]


def test_blind_mode_hides_the_models_and_keeps_their_sides(world: World, as_carol: Client):
    for query in ("sea", "바다", "fish"):
        asked = {"q": query, "blind": "1"}
        response = as_carol.get(PAGE, asked)
        text = re.sub(r"<select.*?</select>", "", response.content.decode(), flags=re.DOTALL)
        assert OTHER not in text
        assert "similarity" not in text
        order = [side["set"].name for side in response.context["sides"]]
        world.put(world.other, {an_image(query): axis(20)})
        forget_sets()
        assert order == [side["set"].name for side in as_carol.get(PAGE, asked).context["sides"]]
        assert OTHER in as_carol.get(response.context["revealed"]).content.decode()
    swapped = [Asked.of(QueryDict(f"q=sea{number}&blind=1")).swapped(1) for number in range(400)]
    assert 100 < sum(swapped) < 300
    assert not any(Asked.of(QueryDict(f"q=sea{number}")).swapped(1) for number in range(40))


def test_the_language_is_guessed_from_the_script_unless_it_is_chosen(world: World, as_carol: Client):
    def language(**asked: str) -> str:
        return str(as_carol.get(PAGE, asked).context["asked"].language)

    assert (language(q="바다"), language(q="sea")) == ("ko", "en")
    assert language(q="sea", language="ko", guessed="ko") == "en", "It was that of the words before."
    assert language(q="sea", language="FR", guessed="en") == "fr"
    assert language(q="fish", language="fr", guessed="en") == "fr"


# Errors


def test_if_one_model_is_unavailable_the_other_list_is_shown(world: World, as_carol: Client, monkeypatch):
    def refuse(pair: Pair, text: str) -> Any:
        if pair.text == OTHER:
            raise Loading
        return a_vector(0)

    monkeypatch.setattr(side_by_side, "text_vector_of", refuse)
    response = as_carol.get(PAGE, {"q": "sea"})
    assert [len(found) for found in lists(response)] == [24, 0]
    assert "This model is still loading" in response.content.decode()
    blind = as_carol.get(PAGE, {"q": "sea", "blind": "1"}).content.decode()
    assert "is not available right now" in blind


def test_a_vector_set_without_a_known_text_model_shows_an_error(world: World, as_carol: Client, monkeypatch):
    monkeypatch.setattr(pairs, "pair_of", lambda model: None if model == OTHER else active_pair())
    page = as_carol.get(PAGE, {"q": "sea"}).content.decode()
    assert f"The text model that belongs to {OTHER} is unknown" in page


def test_a_text_model_with_other_dimensions_shows_an_error(world: World, as_carol: Client, monkeypatch):
    monkeypatch.setattr(pairs, "pair_of", lambda model: active_pair())
    page = as_carol.get(PAGE, {"q": "sea"}).content.decode()
    assert "gives vectors of 512 dimensions, and the pictures have 32" in page


@pytest.mark.django_db(transaction=True)
def test_a_vector_set_dropped_during_the_request_shows_an_error(world: World, as_carol: Client, monkeypatch):
    assert current_set(OTHER)
    here = pairs.sets_here()
    monkeypatch.setattr("search.admin.model_comparison.sets_here", lambda: here)
    drop_set(world.other)
    response = as_carol.get(PAGE, {"q": "sea"})
    assert response.status_code == 400
    assert "This set of vectors no longer exists" in response.content.decode()


def test_with_a_single_vector_set_the_page_explains_how_to_add_another(as_carol: Client):
    an_image()
    page = as_carol.get(PAGE, {"q": "sea"})
    assert page.status_code == 200
    assert "manage.py switch_model" in page.content.decode()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"q": "x" * 1_001}, "1,001 characters"),
        ({"q": "sea", "first": "99"}, "This set of vectors no longer exists"),
        ({"q": "sea", "second": "a"}, "This set of vectors no longer exists"),
        ({"q": "-sea"}, "Describe what the pictures should show"),
        ({"like": "mistyped"}, "The picture in this address is unknown"),
        ({"like": str(uuid.UUID(int=1))}, "hidden or deleted"),
    ],
)
def test_an_invalid_query_shows_an_error(world: World, as_carol: Client, asked: dict[str, str], told: str):
    response = as_carol.get(PAGE, asked)
    assert response.status_code == 400
    assert told in response.content.decode()


def test_the_overview_and_the_list_link_to_the_page_for_permitted_users(world: World, client: Client, as_carol):
    assert PAGE in as_carol.get("/admin/").content.decode()
    assert PAGE in as_carol.get("/admin/search/image/").content.decode()
    log_in_staff(client, "view_report")
    assert PAGE not in client.get("/admin/").content.decode()


# Judgements


def test_a_judgement_is_stored_with_its_curator_and_shown_in_both_lists(world: World, as_carol: Client, carol: User):
    image = world.images[0]
    response = judge(as_carol, image, 2)
    (one,) = Judgement.objects.all()
    assert (one.query, one.language, one.image, one.grade, one.judge) == ("sea", "en", image, 2, carol)
    assert response.redirect_chain[-1][0].endswith(f"#{image.pk}")
    assert response.content.decode().count(f'value="{image.pk}:2:withdraw"\n') == 2, "It stands in both lists."
    shown = [result for side in response.context["sides"] for result in side["results"] if result["grade"] is not None]
    assert [(result["one"].image, result["grade"]) for result in shown] == [(image, 2)] * 2


def test_the_latest_judgement_wins_and_a_pressed_button_withdraws_it(world: World, as_carol: Client, client: Client):
    image, other = world.images[:2]
    judge(as_carol, image, 2)
    judge(as_carol, other, 1)
    dora = log_in_staff(client, "change_image")
    judge(client, image, 0)
    assert grades() == {image: 0, other: 1}
    assert Judgement.objects.get(image=image).judge == dora
    # Carol's page still shows her own grade as pressed, and on another the button was not pressed yet.
    judge(as_carol, image, "2:withdraw")
    judge(as_carol, image, 0)
    assert grades() == {image: 0, other: 1}
    judge(client, image, "0:withdraw")
    assert grades() == {other: 1}


def test_a_judgement_belongs_to_the_normalised_query_and_its_language(world: World, as_carol: Client):
    image = world.images[0]
    judge(as_carol, image, 2, q="  바다 ", language="KO")
    judge(as_carol, image, 1, q="바다", language="ko")
    judge(as_carol, image, 0, q="바다", language="ja")
    assert list(Judgement.all_in_order().values_list("query", "language", "grade")) == [
        ("바다", "ja", 0),
        ("바다", "ko", 1),
    ]


def test_a_judgement_outlives_its_model_and_its_curator_but_not_its_picture(
    world: World, as_carol: Client, carol: User
):
    image, other = world.images[:2]
    judge(as_carol, image, 2)
    judge(as_carol, other, 1)
    Image.objects.update(embedding_model="a new/model")
    assert grades() == {image: 2, other: 1}
    image.delete()
    carol.delete()
    (left,) = Judgement.objects.all()
    assert (left.image, left.judge) == (other, None)


def test_a_long_query_can_be_judged(world: World, as_carol: Client):
    query = "".join(chr(ord("가") + number * 11) for number in range(1_000))
    judge(as_carol, world.images[0], 2, q=query)
    assert Judgement.objects.get().query == query


def test_requests_of_scripts_get_a_json_answer(world: World, as_carol: Client):
    image = world.images[0]

    def post(value: str) -> Any:
        return as_carol.post(
            JUDGE, {"q": "sea", "language": "en", "judge": value}, headers={"Accept": "application/json"}
        )

    assert post(f"{image.pk}:1").json() == {"grade": 1, "problem": ""}
    assert post(f"{image.pk}:2:withdraw").json() == {"grade": 1, "problem": ""}
    assert post(f"{image.pk}:1:withdraw").json() == {"grade": None, "problem": ""}
    assert post(f"{image.pk}:7").status_code == 400


@pytest.mark.parametrize(
    "data",
    [
        {"judge": "nonsense"},
        {"judge": f"{uuid.UUID(int=1)}:1"},
        {"judge": "{image}:3"},
        {"judge": "{image}:-1"},
        {"judge": "{image}:٢x"},
        {"q": "", "judge": "{image}:1"},
        {"q": "x" * 1_001, "judge": "{image}:1"},
        {"q": "sea", "like": "{image}", "judge": "{image}:1"},
        {},
    ],
)
def test_an_invalid_judgement_is_reported_and_not_stored(world: World, as_carol: Client, data: dict[str, str]):
    sent = {name: value.replace("{image}", str(world.images[0].pk)) for name, value in data.items()}
    response = as_carol.post(JUDGE, {"q": "sea", "language": "en", **sent}, follow=True)
    assert response.status_code in {200, 400}
    assert said(response)
    assert not Judgement.objects.exists()


def test_judging_needs_permission_to_change_pictures(world: World, client: Client):
    log_in_staff(client, "view_image")
    page = client.get(PAGE, {"q": "sea"})
    assert page.status_code == 200
    assert 'name="judge"' not in page.content.decode()
    assert judge(client, world.images[0], 2).status_code == 403
    assert client.get(TABLE).status_code == 200
    assert not Judgement.objects.exists()


def test_judgements_are_exported_as_csv(world: World, as_carol: Client):
    judge(as_carol, world.images[0], 2, q='sea, "calm"')
    response = as_carol.get(TABLE)
    lines = response.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "query,language,id,grade,judge,judged"
    assert lines[1].startswith(f'"sea, ""calm""",en,{world.images[0].pk},2,carol,2')
    assert "attachment" in response["Content-Disposition"]
