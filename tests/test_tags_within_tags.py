"""Filters by nested tags: a wider tag finds pictures of narrower ones, every alias finds the tag, and counts are
exact."""

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from search.completion import suggest
from search.models import Image, VocabularyTag
from search.query import SearchQuery
from search.query.filters import Filters
from search.query.tag_names import forget_names
from search.retrieval import find
from search.retrieval.search_scope import Scope
from tests.admin_pages import titles
from tests.base import an_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def tree() -> None:
    """animal > dog > puppy, animal > cat."""
    animal = VocabularyTag.objects.create(name="animal", korean="동물")
    dog = VocabularyTag.objects.create(name="dog", korean="개", aliases=["hound"], parent=animal)
    VocabularyTag.objects.create(name="puppy", parent=dog)
    VocabularyTag.objects.create(name="cat", parent=animal)
    forget_names()


def ticked(*tags: str) -> set[str]:
    return {hit.title for hit in Scope(SearchQuery(filters=Filters(tags=tags))).images}


def typed(words: str) -> set[str]:
    return {hit.title for hit in Scope(SearchQuery(words=words)).images}


def facet(query: SearchQuery) -> dict[str, int]:
    facets = {facet.name: facet for facet in find(query).facets}
    return {choice.value: choice.count for choice in facets["tag"].choices} if "tag" in facets else {}


def a_kennel() -> None:
    for tags in (["dog"], ["puppy", "dog"], ["cat"], ["animal"], ["hound"], ["개"], ["sea"], ["Dog"], []):
        an_image("+".join(tags), tags=tags)


DOGS = {"dog", "puppy+dog", "hound", "개"}


def test_a_wider_tag_finds_narrower_ones_and_every_name_finds_the_same(tree):
    a_kennel()
    assert ticked("dog") == ticked("hound") == ticked("개") == DOGS
    assert ticked("animal") == ticked("동물") == DOGS | {"cat", "animal"}
    assert ticked("puppy") == {"puppy+dog"}
    assert ticked("animal", "puppy") == {"puppy+dog"}
    assert ticked("Dog") == {"Dog"}, "what is ticked is that very tag"


def test_typed_tags_ignore_case_and_are_excluded_by_a_minus(tree):
    a_kennel()
    assert typed("tag:HOUND") == typed("태그:개") == DOGS | {"Dog"}
    assert typed("tag:animal -tag:dog") == {"cat", "animal"}
    assert typed("tag:sea") == {"sea"}
    assert typed('tag:"animal" -tag:cat') == DOGS | {"animal", "Dog"}


def test_counts_of_tags_equal_their_results(tree):
    a_kennel()
    counts = facet(SearchQuery(words="x"))
    assert counts == {"animal": 6, "dog": 4, "puppy": 1, "cat": 1, "sea": 1, "Dog": 1}
    for tag, count in counts.items():
        assert find(SearchQuery(words="x", filters=Filters(tags=(tag,)))).found == count
    assert facet(SearchQuery(words="x", filters=Filters(tags=("dog",)))) == {"dog": 4, "puppy": 1}


def test_a_wider_tag_is_not_offered_if_a_narrower_one_finds_the_same(tree):
    an_image(tags=["puppy"])
    an_image(tags=["개"])
    assert facet(SearchQuery(words="x")) == {"dog": 2, "puppy": 1}


def test_counts_are_exact_for_random_tags(tree):
    chance = random.Random(3)
    known = ["animal", "동물", "dog", "hound", "개", "puppy", "cat", "sea", "Dog"]
    Image.objects.all().delete()
    for number in range(40):
        an_image(str(number), tags=chance.sample(known, chance.randrange(4)))
    for tag, count in facet(SearchQuery(words="x")).items():
        assert len(ticked(tag)) == count, tag


def test_counts_follow_a_change_of_the_hierarchy(tree):
    an_image(tags=["dog"])
    an_image(tags=["wolf"])
    assert facet(SearchQuery(words="x")) == {"dog": 1, "wolf": 1}
    VocabularyTag.objects.create(name="wolf", parent=VocabularyTag.objects.get(name="dog"))
    forget_names()
    assert facet(SearchQuery(words="x")) == {"dog": 2, "wolf": 1}
    assert find(SearchQuery(words="x", filters=Filters(tags=("dog",)))).found == 2


def test_without_nested_tags_the_sql_of_a_filter_is_unchanged(tree):
    VocabularyTag.objects.all().delete()
    forget_names()
    an_image(tags=["sea"])
    query = SearchQuery(filters=Filters(tags=("sea",)))
    list(Scope(query).images)
    with CaptureQueriesContext(connection) as queries:
        list(Scope(query).images)
    assert not any("vocabulary" in one["sql"] for one in queries)
    assert any('"tags" @> ' in one["sql"] for one in queries)
    VocabularyTag.objects.create(name="sea")
    forget_names()
    assert Filters(tags=("sea",)).values.any_tags == ()


def test_names_in_either_language_are_suggested_with_their_counts(tree):
    a_kennel()
    found = {one.value.label: one.value.count for one in suggest("tag:동")}
    assert found == {"동물": 6}
    assert {one.value.label: one.value.count for one in suggest("tag:anim")} == {"animal": 6}
    assert {one.value.label for one in suggest("hou")} == {"hound"}
    assert "개" not in {one.value.label for one in suggest("tag:")}, "each tag once"


def test_the_tag_filter_of_the_admin_finds_narrower_tags_too(tree, as_carol):
    a_kennel()
    assert titles(as_carol.get("/admin/search/image/?tag=dog")) == DOGS


def test_the_api_finds_a_tag_by_any_of_its_names(tree, client):
    a_kennel()
    answer = client.get("/api/search", {"tag": "hound"})
    assert {one["title"] for one in answer.json()["results"]} == DOGS
