"""Filters are exact: they return every matching row, in the right order, with the right count."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User

from search.facets import Facet
from search.indexing import query_plan
from search.models import Image
from search.query import Filters, SearchQuery
from search.retrieval import find, query_vector
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fixed_query_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


def found(**filters: Any) -> set[str]:
    page = find(SearchQuery(words="x", filters=Filters(**filters)))
    assert page.found == len(page.images)
    return {image.title for image in page.images}


def facet(name: str, query: SearchQuery) -> Facet:
    (one,) = (facet for facet in find(query).facets if facet.name == name)
    return one


def counts(name: str, query: SearchQuery) -> dict[str, int]:
    return {choice.value: choice.count for choice in facet(name, query).choices}


def test_all_tags_must_match():
    an_image("both", tags=["sea", "evening"])
    an_image("one", tags=["sea"])
    an_image("none")
    assert found(tags=("sea",)) == {"both", "one"}
    assert found(tags=("sea", "evening")) == {"both"}


def test_one_of_several_values_of_other_filters_must_match():
    for name in ("JPEG", "PNG", "WEBP"):
        an_image(name, format=name)
    assert found(formats=("PNG", "WEBP")) == {"PNG", "WEBP"}


def test_orientation_and_size_follow_from_width_and_height():
    an_image("wide", width=4000, height=1000)
    an_image("tall", width=600, height=800)
    an_image("square", width=4000, height=3900)
    assert found(orientations=("portrait",)) == {"tall"}
    assert found(orientations=("square",)) == {"square"}
    assert found(sizes=("large",)) == {"wide"}
    assert found(sizes=("small", "huge")) == {"tall", "square"}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("#ff0000", "red"),
        ("#6b8e23", "green"),
        ("#101010", "black"),
        ("#fefefe", "white"),
        ("#0000ff", "blue"),
        ("#87ceeb", "blue"),
        ("#8b4513", "brown"),
        ("#ffc0cb", "pink"),
        ("#c0c0c0", "grey"),
    ],
)
def test_the_colour_is_the_nearest_of_the_palette(code: str, name: str):
    an_image("this", dominant_colour=code)
    assert found(colours=(name,)) == {"this"}


def test_a_changed_dominant_colour_has_another_name():
    image = an_image(dominant_colour="#ff0000")
    image.dominant_colour = "#0000ff"
    image.save()
    image.refresh_from_db()
    assert image.colour == "blue"


def test_there_are_filters_by_uploader_licence_and_description(alice: User):
    an_image("hers", uploader=alice, licence="CC0", description="Seen from the pier.")
    an_image("other")
    assert found(uploader="alice") == found(licences=("CC0",)) == found(described=True) == {"hers"}
    assert found(described=False) == {"other"}
    assert found(uploader="nobody") == set()


def test_days_are_those_of_the_time_zone(settings):
    settings.TIME_ZONE = "Asia/Seoul"
    for day in (1, 2, 3):
        an_image(str(day), created=dt.datetime(2026, 5, day, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=9))))
    assert found(since=dt.date(2026, 5, 2)) == {"2", "3"}
    assert found(until=dt.date(2026, 5, 2)) == {"1", "2"}
    assert found(since=dt.date(2026, 5, 2), until=dt.date(2026, 5, 2)) == {"2"}


def test_filters_work_without_a_query_too():
    an_image("sea", tags=["sea"])
    an_image("land")
    page = find(SearchQuery(filters=Filters(tags=("sea",))))
    assert [image.title for image in page.images] == ["sea"]
    assert page.found == 1


def test_the_counts_of_a_facet_ignore_its_own_choices():
    an_image(format="JPEG", tags=["sea"])
    an_image(format="PNG", tags=["sea"])
    an_image(format="PNG")
    query = SearchQuery(words="x", filters=Filters(formats=("JPEG",)))
    assert counts("format", query) == {"JPEG": 1, "PNG": 2}
    assert counts("tag", query) == {"sea": 1}


def test_a_choice_links_to_the_query_with_or_without_it():
    an_image(format="PNG")
    query = SearchQuery(words="x", page=3)
    (choice,) = facet("format", query).choices
    assert choice.query == SearchQuery(words="x", filters=Filters(formats=("PNG",)))
    (chosen,) = facet("format", choice.query).choices
    assert chosen.chosen
    assert chosen.query == SearchQuery(words="x")


def test_a_chosen_value_without_matches_is_still_offered():
    an_image(tags=["sea"])
    query = SearchQuery(words="x", filters=Filters(tags=("no such tag",)))
    assert counts("tag", query) == {"no such tag": 0}


def test_hidden_images_are_not_counted():
    an_image(format="PNG", hidden=True, tags=["secret"])
    an_image(format="JPEG")
    assert counts("format", SearchQuery(words="x")) == {"JPEG": 1}
    assert "tag" not in {facet.name for facet in find(SearchQuery(words="x")).facets}


def test_rare_chosen_values_are_counted(alice: User):
    for number in range(16):
        for _each in range(2):
            uploader = User.objects.get_or_create(username=f"user{number}")[0]
            an_image(licence=f"licence {number}", uploader=uploader)
    an_image(licence="rare", uploader=alice, tags=["a"])
    query = SearchQuery(filters=Filters(licences=("rare", "unknown"), uploader="alice"))
    licences, people = facet("licence", query).choices, facet("uploader", query).choices
    assert {(one.value, one.count) for one in licences if one.chosen} == {("rare", 1), ("unknown", 0)}
    assert [(one.value, one.count) for one in people if one.chosen] == [("alice", 1)]
    assert find(query).found == 1


@pytest.mark.parametrize("exact_below", [0, 10**6], ids=["index", "exact"])
@pytest.mark.parametrize("each", [2, 10, 50])
def test_a_filtered_search_returns_the_same_as_a_scan(each: int, exact_below: int, monkeypatch):
    many_images(1200, tags=lambda number: ["some"] if number % each == 0 else [])
    query = SearchQuery(words="x", filters=Filters(tags=("some",)))
    monkeypatch.setattr(query_plan, "EXACT_BELOW", 10**6)
    right = find(query)
    monkeypatch.setattr(query_plan, "EXACT_BELOW", exact_below)
    page = find(query)
    assert page.found == 1200 // each
    assert len(page.images) == min(24, page.found)
    assert len({one.id for one in page.images} & {one.id for one in right.images}) >= len(right.images) - 1


def test_a_filter_that_matches_only_distant_rows_fills_the_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(query_plan, "EXACT_BELOW", 0)
    many_images(400)
    for number in range(30):
        an_image(f"far {number}", vector=near(a_vector(1), -0.5, seed=number + 10), tags=["far"])
    page = find(SearchQuery(words="x", filters=Filters(tags=("far",))))
    assert len(page.images) == 24
    assert page.found == 30


def test_a_deleted_uploader_is_not_offered(alice: User):
    an_image(uploader=alice)
    alice.delete()
    assert "uploader" not in {facet.name for facet in find(SearchQuery()).facets}
    assert Image.objects.count() == 1
