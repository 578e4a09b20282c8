"""Example searches of the start page: each finds a strong match, is visible to the user, and stays up to date."""

import datetime as dt

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from search import demo
from search.embedding import text_vector
from search.example_searches import example_queries, shown_things
from search.example_searches.measuring import is_due, measure, measure_if_due
from search.models import Image, Private, Thing, ThingSet
from search.query import SearchQuery
from search.relevance import Band, calibrate
from search.retrieval import find
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db


@pytest.fixture
def drawings() -> list[Image]:
    """Three pictures of each of the demo's examples, among others that show nothing; all are measured."""
    many_images(60)
    Image.objects.update(title="")
    texts = demo.example_queries("en")
    images = [
        an_image(vector=near(text_vector(text), 0.9, seed=1000 * number + copy))
        for number, text in enumerate(texts)
        for copy in range(3)
    ]
    calibrate()
    return images


def words(language: str = "en") -> list[str]:
    return [thing.words for thing in shown_things(language, 100)]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_example_has_a_strong_match(drawings: list[Image], language: str):
    measure()
    offered = words(language)
    assert offered
    assert set(example_queries(language, 100)) == set(offered[:10])
    for text in offered:
        assert find(SearchQuery(words=text)).images[0].band is Band.STRONG, text
        assert text.isascii() == (language == "en")
    # The small model knows none of the bank's words.
    assert not {"dog", "volcano", "개", "화산"} & set(offered)


def test_no_two_examples_are_nearly_the_same(drawings: list[Image]):
    for copy in range(5):
        an_image(vector=near(text_vector("a red circle"), 0.95, seed=90 + copy), tags=["red circle", "red circles"])
    measure()
    shown = shown_things("en", 100)
    assert len({thing.thumbnail for thing in shown}) == len(shown)
    assert len([thing for thing in shown if "circle" in thing.words]) <= 1


def test_a_hidden_picture_is_replaced_by_the_next(drawings: list[Image]):
    measure()
    thing = Thing.objects.filter(language="en", images__len__gt=1).first()
    assert thing
    first, second = thing.images[:2]
    assert str(first) in _shown(thing.words)
    Image.objects.get(pk=first).hide()
    assert str(second) in _shown(thing.words)
    Image.objects.filter(pk__in=thing.images).update(hidden=True)
    assert thing.words not in words()


def _shown(text: str) -> str:
    return next(thing.thumbnail for thing in shown_things("en", 100) if thing.words == text)


@pytest.mark.parametrize("how", ["private", "hidden", "renamed", "deleted"])
def test_words_of_a_picture_disappear_with_it(drawings: list[Image], how: str, alice):
    image = an_image("Surgery of Alice", uploader=alice)
    measure()
    assert "Surgery of Alice" in words()
    if how == "private":
        Private.objects.create(image=image, visibility="own", hidden=False)
    if how == "deleted":
        image.delete()
    else:
        Image.objects.filter(pk=image.pk).update(hidden=how != "renamed", title=how)
    assert "Surgery of Alice" not in words()
    assert "Surgery of Alice" not in example_queries("en", 100)
    measure()
    assert not Thing.objects.filter(words="Surgery of Alice").exists()


def test_the_start_page_shows_examples_in_the_language_of_the_user(drawings: list[Image], client: Client, monkeypatch):
    measure()
    assert 'class="things"' not in client.get("/search?q=red").text
    # No model is used.
    monkeypatch.setattr("search.embedding.text_vectors.text_encoder", lambda: pytest.fail("A model was asked."))
    for language in ("en", "ko"):
        page = client.get("/", headers={"Accept-Language": language}).text
        shown = shown_things(language)
        assert shown
        for thing in shown:
            assert thing.thumbnail in page
            assert thing.label in page
    with CaptureQueriesContext(connection) as queries:
        client.get("/")
    assert len([one for one in queries if "search_thing" in one["sql"]]) == 1


def test_pictures_of_the_results_are_loaded_before_those_of_examples(drawings: list[Image], client: Client):
    measure()
    things, wall = client.get("/").text.split('class="things-list"')[1].split("</ul>", 1)
    assert things.count("<img") == things.count('loading="lazy"') > 0
    assert wall.count('loading="eager" fetchpriority="high"') == 8


def test_a_collection_without_a_measurement_offers_no_examples(client: Client):
    an_image("Harbour")
    assert example_queries("en") == []
    page = client.get("/").text
    assert 'class="things"' not in page
    assert "Or try" not in client.get("/search?q=x&tag=nothing").text


def test_a_small_collection_offers_titles_and_tags_of_its_pictures():
    an_image("Harbour at night", vector=a_vector(1), tags=["바다"])
    an_image("is:untagged or -so", vector=a_vector(2))
    assert measure() == {"en": ["Harbour at night"], "ko": ["바다"]}


def test_examples_are_measured_again_after_the_collection_has_changed(drawings: list[Image]):
    assert is_due()
    assert measure_if_due()
    assert measure_if_due() is None
    an_image("Harbour")
    assert not is_due(), "Not for each picture."
    ThingSet.objects.update(measured=F("measured") - dt.timedelta(days=1))
    assert measure_if_due()
    calibrate()
    assert is_due()


def test_examples_belong_to_the_active_models(drawings: list[Image]):
    measure()
    ThingSet.objects.update(text_model="another")
    assert words() == []
    assert is_due()
