"""Queries of several parts, full-text search, relevance bands, sort orders, and paging a growing collection."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from search.indexing import query_plan
from search.models import Image
from search.query import BadQuery, Kind, Minimum, Mode, Part, SearchQuery, Sort
from search.relevance import Band
from search.relevance.band_thresholds import Scale
from search.retrieval import candidates as candidates_module
from search.retrieval import find, query_vector
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db

RED, BLUE = a_vector(1), a_vector(2)
VECTORS = {"red": RED, "blue": BLUE}


@pytest.fixture(autouse=True)
def _fixed_query_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: VECTORS.get(words, RED))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unrelated images score 0 with a standard deviation of 0.1; related starts at 0.4, strong at 0.6."""
    scale = Scale(mean=0.0, spread=0.1, strong=0.6, related=0.4)
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, pictures, whole=False: scale)


def titles(query: SearchQuery) -> list[str]:
    return [image.title for image in find(query).images]


def bands(query: SearchQuery) -> list[tuple[Band | None, list[str]]]:
    return [(band, [image.title for image in images]) for band, images in find(query).sections]


def meaning(words: str, **fields: Any) -> SearchQuery:
    return SearchQuery(words=words, mode=Mode.MEANING, **fields)


# --- Several parts ---


def test_words_with_an_image_find_what_is_near_to_both():
    like = an_image("like", vector=BLUE)
    both = RED + BLUE
    an_image("both", vector=both / (both @ both) ** 0.5)
    an_image("red alone", vector=near(RED, 0.95))
    an_image("blue alone", vector=near(BLUE, 0.95))
    page = find(meaning("red").more_like(like.id))
    assert page.images[0].title == "both"
    assert page.images[0].similarity == pytest.approx(1, abs=0.01)
    assert page.found == 3


def test_a_weight_pulls_the_results_towards_its_part():
    like = an_image("like", vector=BLUE)
    an_image("red", vector=near(RED, 0.9))
    an_image("blue", vector=near(BLUE, 0.9))
    assert titles(replace(meaning("red").more_like(like.id), words_weight=3.0))[0] == "red"
    query = meaning("red", parts=(Part(Kind.IMAGE, like.id, weight=3.0),))
    assert titles(query)[0] == "blue"


def test_parts_that_cancel_each_other_out_are_an_error():
    like = an_image(vector=-RED)
    with pytest.raises(BadQuery, match="cancel each other out"):
        find(meaning("red").more_like(like.id))


def test_unwanted_results_rank_lower_and_keep_their_similarity(measured: None):
    an_image("red and blue", vector=near(RED, 0.7, seed=2))
    an_image("red", vector=near(RED, 0.65, seed=3))
    assert titles(meaning("red")) == ["red and blue", "red"]
    page = find(meaning("red -blue"))
    assert [image.title for image in page.images] == ["red", "red and blue"]
    assert page.images[1].similarity == pytest.approx(0.7, abs=0.01)
    assert page.images[1].band == Band.WEAK


def test_results_unrelated_to_the_unwanted_part_keep_their_rank(measured: None):
    an_image("first", vector=near(RED, 0.7, seed=5))
    an_image("second", vector=near(RED, 0.65, seed=6))
    assert titles(meaning("red -blue")) == titles(meaning("red")) == ["first", "second"]


def test_less_like_this_excludes_the_image_and_ranks_similar_ones_lower():
    disliked = an_image("disliked", vector=near(RED, 0.8, seed=2))
    an_image("its like", vector=near(RED, 0.79, seed=2))
    for number in range(20, 26):
        an_image("other", vector=near(RED, 0.75, seed=number))
    found = titles(meaning("red").less_like(disliked.id))
    assert found == ["other"] * 6 + ["its like"]


def test_a_query_of_only_unwanted_parts_shows_the_newest_others_first(measured: None):
    for hours, (title, vector) in enumerate([("blue", BLUE), ("old", RED), ("new", a_vector(3))]):
        an_image(title, vector=vector, created=timezone.now() - dt.timedelta(hours=9 - hours))
    assert titles(meaning("-blue")) == ["new", "old", "blue"]


# --- Full-text search ---


def test_full_text_search_covers_titles_tags_and_descriptions():
    an_image("Harbour of Busan", vector=near(RED, -0.1, seed=3))
    an_image("tagged", tags=["busan"], vector=near(RED, -0.1, seed=4))
    an_image("described", description="Seen in Busan.", vector=near(RED, -0.1, seed=5))
    for number in range(6, 40):
        an_image("other", vector=near(RED, 0.3, seed=number))
    page = find(SearchQuery(words="busan"))
    assert {image.title for image in page.images if image.by_words} == {"Harbour of Busan", "tagged", "described"}
    assert page.found == 37
    places = [image.by_words for image in page.images]
    assert all(places[:3]), "found by words and by meaning, if from far away: first"


def test_korean_words_are_found_with_their_endings():
    an_image("고양이가 잔다", vector=near(RED, 0.1))
    assert [image.by_words for image in find(SearchQuery(words="고양이")).images] == [True]


def test_a_full_text_match_needs_all_words():
    an_image("red harbour", vector=near(RED, 0.1))
    assert not find(SearchQuery(words="red star")).images[0].by_words


def test_searching_by_meaning_ignores_text():
    an_image("red", vector=near(RED, 0.1))
    assert not find(meaning("red")).images[0].by_words


def test_searching_by_words_alone_needs_no_model_and_finds_nothing_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(query_vector, "text_vector", None)
    an_image("a red star")
    an_image("a blue star")
    page = find(SearchQuery(words="red", mode=Mode.WORDS))
    assert [image.title for image in page.images] == ["a red star"]
    assert page.found == 1


def test_full_text_search_ranks_titles_before_descriptions():
    an_image("star", created=timezone.now() - dt.timedelta(days=1))
    an_image("other", description="A star and much more that is written about this picture.")
    assert titles(SearchQuery(words="star", mode=Mode.WORDS)) == ["star", "other"]


def test_all_pages_of_full_text_search_are_complete(monkeypatch: pytest.MonkeyPatch):
    many_images(300)
    Image.objects.update(description="the same word")
    query = SearchQuery(words="same", mode=Mode.WORDS)
    ids = [image.id for page in range(1, 14) for image in find(replace(query, page=page)).images]
    assert len(ids) == len(set(ids)) == 300


def many_horses(count: int = 12) -> list[str]:
    """Rows with a word, the oldest first, the last two with only a prefix match; return their titles."""
    tags = ["horse"] * (count - 2) + ["horsebox"] * 2
    images = many_images(count, tags=lambda number: [tags[number]])
    for number, image in enumerate(images):
        image.created = timezone.now() - dt.timedelta(days=count - number)
    Image.objects.bulk_update(images, ["created"])
    return [image.title for image in images]


def test_full_text_results_beyond_the_candidates_are_sorted_and_filtered_too(monkeypatch: pytest.MonkeyPatch):
    horses = many_horses()
    monkeypatch.setattr(candidates_module, "MOST_BY_WORDS", 4)
    query = SearchQuery(words="horse", mode=Mode.WORDS)
    assert titles(replace(query, sort=Sort.OLDEST)) == horses
    assert titles(replace(query, sort=Sort.NEWEST)) == horses[::-1]
    assert find(replace(query, minimum=Minimum.RELATED)).found == 12
    assert find(replace(query, minimum=Minimum.STRONG)).found == 10
    assert titles(replace(query, minimum=Minimum.STRONG, sort=Sort.OLDEST)) == horses[:10]
    page = find(query)
    assert page.strong_is_least
    assert all(image.by_words for image in page.images)


@pytest.mark.parametrize("by_words", [4, 200], ids=["all rows", "candidates"])
def test_full_text_matches_pass_every_minimum(measured: None, by_words: int, monkeypatch: pytest.MonkeyPatch):
    horses = many_horses()
    many_images(6, seed=7)
    monkeypatch.setattr(candidates_module, "MOST_BY_WORDS", by_words)
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=3))
    query = SearchQuery(words="horse")
    assert sorted(titles(replace(query, minimum=Minimum.RELATED))) == sorted(horses)
    assert sorted(titles(replace(query, minimum=Minimum.STRONG))) == sorted(horses[:10])
    page = find(replace(query, sort=Sort.OLDEST))
    assert [image.title for image in page.images[:12]] == horses
    assert page.found == len({image.id for image in page.images}) == 18
    assert {image.band for image in page.images[:10]} == {Band.STRONG}


@pytest.mark.parametrize("by_words", [4, 200], ids=["all rows", "candidates"])
def test_sorting_by_date_applies_the_minimum(by_words: int, monkeypatch: pytest.MonkeyPatch):
    horses = many_horses()
    many_images(6, seed=7)
    monkeypatch.setattr(candidates_module, "MOST_BY_WORDS", by_words)
    for minimum, kept in ((Minimum.RELATED, horses), (Minimum.STRONG, horses[:10])):
        query = SearchQuery(words="horse", minimum=minimum)  # without a calibration
        assert sorted(titles(query)) == sorted(kept)
        assert titles(replace(query, sort=Sort.OLDEST)) == kept
        assert find(replace(query, sort=Sort.OLDEST)).found == len(kept)


def test_quoted_words_match_as_a_phrase():
    an_image("dark blue sea", vector=near(RED, 0.1))
    an_image("blue, and dark", vector=near(RED, 0.9))
    page = find(SearchQuery(words='"dark blue" water'))
    assert [image.title for image in page.images] == ["dark blue sea"]
    assert page.found == 1


@pytest.mark.parametrize("words", ["🙂", "'", "a & b | !c", "\\", "' OR 1=1 --", "x:*", "__", '"&"', "<->"])
def test_special_characters_are_no_error(words: str):
    an_image("x")
    for mode in Mode:
        assert find(SearchQuery(words=words, mode=mode)).found in (0, 1)


# --- Relevance bands ---


def five(**moments: dt.datetime) -> None:
    for title, similarity in [("s1", 0.9), ("s2", 0.7), ("r", 0.5), ("w1", 0.3), ("w2", 0.1)]:
        fields = {"created": moments[title]} if title in moments else {}
        an_image(title, vector=near(RED, similarity, seed=ord(title[0]) + 10), **fields)


def test_results_are_divided_into_bands(measured: None):
    five()
    page = find(meaning("red"))
    assert bands(meaning("red")) == [(Band.STRONG, ["s1", "s2"]), (Band.RELATED, ["r"]), (Band.WEAK, ["w1", "w2"])]
    assert (page.strong, page.strong_is_least, page.found) == (2, False, 5)


def test_without_a_calibration_there_are_no_bands():
    five()
    page = find(meaning("red"))
    assert page.scale is None
    assert [band for band, _images in page.sections] == [None]
    assert page.strong == 0


def test_a_match_of_all_words_is_strong_and_a_prefix_match_related(measured: None):
    an_image("flower pot", vector=near(RED, 0.1))
    an_image("flowerbed", vector=near(RED, 0.1, seed=7))
    assert bands(SearchQuery(words="flower")) == [(Band.STRONG, ["flower pot"]), (Band.RELATED, ["flowerbed"])]


@pytest.mark.parametrize(("minimum", "kept"), [(Minimum.STRONG, ["s1", "s2"]), (Minimum.RELATED, ["s1", "s2", "r"])])
@pytest.mark.parametrize("candidates", [240, 1], ids=["candidates", "all rows"])
def test_a_minimum_limits_the_results_and_their_count(measured: None, minimum, kept, candidates, monkeypatch):
    five()
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=candidates))
    page = find(meaning("red", minimum=minimum))
    assert [image.title for image in page.images] == kept
    assert page.found == len(kept)


@pytest.mark.parametrize("candidates", [240, 1], ids=["candidates", "all rows"])
def test_sorting_by_date_puts_weak_results_last(measured: None, candidates, monkeypatch):
    now = timezone.now()
    five(s1=now - dt.timedelta(days=3), s2=now - dt.timedelta(days=1), r=now - dt.timedelta(days=2))
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=candidates))
    newest, oldest = meaning("red", sort=Sort.NEWEST), meaning("red", sort=Sort.OLDEST)
    assert bands(newest) == [(None, ["s2", "r", "s1"]), (Band.WEAK, ["w1", "w2"])]
    assert bands(oldest) == [(None, ["s1", "r", "s2"]), (Band.WEAK, ["w1", "w2"])]
    assert titles(replace(newest, minimum=Minimum.STRONG)) == ["s2", "s1"]
    assert find(newest).found == 5


def test_sorting_by_freshness_ranks_recent_images_slightly_higher():
    now = timezone.now()
    an_image("near", vector=near(RED, 0.52), created=now - dt.timedelta(days=60))
    an_image("recent", vector=near(RED, 0.5), created=now)
    an_image("far", vector=near(RED, 0.4), created=now)
    assert titles(meaning("red")) == ["near", "recent", "far"]
    assert titles(meaning("red", sort=Sort.FRESH)) == ["recent", "near", "far"]


@pytest.mark.parametrize("sort", [Sort.SIMILARITY, Sort.NEWEST])
def test_a_minimum_excludes_unwanted_results_beyond_the_candidates(
    measured: None, sort: Sort, monkeypatch: pytest.MonkeyPatch
):
    an_image("red and blue", vector=near(RED, 0.7, seed=2))
    an_image("red", vector=near(RED, 0.65, seed=3))
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=1))
    page = find(meaning("red -blue", minimum=Minimum.STRONG, sort=sort))
    assert [image.title for image in page.images] == ["red"]
    assert page.found == 1


def test_strong_results_beyond_the_full_text_matches_are_counted(measured: None, monkeypatch: pytest.MonkeyPatch):
    for number in range(3):
        an_image("red", vector=near(RED, 0.9, seed=number + 10))
        an_image("rose", vector=near(RED, 0.8, seed=number + 20))
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=3))
    page = find(SearchQuery(words="red", minimum=Minimum.STRONG))
    assert page.found == 6
    assert page.strong_is_least


def test_a_page_sorted_by_freshness_keeps_its_order_on_later_visits(monkeypatch: pytest.MonkeyPatch):
    images = many_images(60)
    for number, image in enumerate(images):
        image.created = timezone.now() - dt.timedelta(days=number * 7 % 40, seconds=5)
    Image.objects.bulk_update(images, ["created"])
    second = find(meaning("red", sort=Sort.FRESH)).next
    assert second
    before = [image.id for image in find(second).images]
    later = timezone.now() + dt.timedelta(days=12)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert [image.id for image in find(second).images] == before


def test_if_all_candidates_are_strong_their_count_is_a_minimum(measured: None, monkeypatch: pytest.MonkeyPatch):
    five()
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=1))
    page = find(meaning("red"))
    assert (page.strong, page.strong_is_least) == (1, True)


# --- Paging a growing collection ---


@pytest.mark.parametrize("exact_below", [0, 10**6], ids=["index", "exact"])
def test_every_row_is_on_exactly_one_page(exact_below: int, monkeypatch: pytest.MonkeyPatch, measured: None):
    monkeypatch.setattr(query_plan, "EXACT_BELOW", exact_below)
    many_images(700)
    Image.objects.filter(title__startswith="6").update(description="red")
    for query in (meaning("red"), SearchQuery(words="red -blue")):
        ids = [image.id for page in range(1, 31) for image in find(replace(query, page=page)).images]
        assert len(ids) == len(set(ids)) == 700


@pytest.mark.parametrize("query", [SearchQuery(), meaning("red"), SearchQuery(words="red")])
def test_pages_do_not_shift_while_images_are_added(query: SearchQuery):
    long_ago = timezone.now() - dt.timedelta(days=1)
    many_images(60)
    Image.objects.update(created=long_ago)
    first = find(query)
    assert first.next
    before = [image.id for image in find(first.next).images]
    for number in range(10):
        an_image("red", vector=near(RED, 0.9, seed=number + 10), created=timezone.now() + dt.timedelta(seconds=9))
    later = find(first.next)
    assert [image.id for image in later.images] == before
    assert later.found == 60
    assert find(query).found == 70
