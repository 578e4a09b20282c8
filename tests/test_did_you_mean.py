"""Spelling suggestions: a link above the results for a word that no image has."""

from dataclasses import replace

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from search.completion import did_you_mean
from search.completion.spelling import _is_near, _Sorted, lexicon
from search.models import Image
from search.query import Mode, SearchQuery, collection_cache
from search.retrieval import find
from tests.base import an_image

pytestmark = pytest.mark.django_db

PICTURES = {
    "Old harbour at dawn": ["holiday", "Café"],
    "Harbour": ["two words"],
    "해운대해수욕장": ["제주도", "바다"],
    "美しい夕焼け": ["故宫"],
    "東京タワー・夜景": [],
}


@pytest.fixture
def pictures() -> list[Image]:
    return [an_image(title, tags=tags) for title, tags in PICTURES.items()]


def meant(words: str) -> str | None:
    query = SearchQuery.from_params({"q": [words]})
    for mode in (Mode.BOTH, Mode.WORDS):
        found = did_you_mean(find(replace(query, mode=mode)))
    return found.words if found else None


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("harbor", "harbour"),
        ("harbuor", "harbour"),
        ("harbours", "harbour"),
        ("HARVOUR", "harbour"),
        ("arbour", "harbour"),
        ("holidai", "holiday"),
        ("café holliday", "café holiday"),
        ("red holliday in spain", "red holiday in spain"),
        ('"old harbuor" -blue', '"old harbour" -blue'),
        ("해운데해수욕장", "해운대해수욕장"),
        ("해운대수해욕장", "해운대해수욕장"),
        ("재주도", "제주도"),
        ("바디", "바다"),
        ("故官", "故宫"),
        ("夕焼げ", "夕焼け"),
        ("タウー", "タワー"),
        ("wordz", "words"),
    ],
)
def test_a_word_with_one_wrong_letter_gets_a_suggestion(pictures: list[Image], words: str, instead: str) -> None:
    assert meant(words) == instead


@pytest.mark.parametrize(
    "words",
    ["harbour", "harb", "hirbuor", "cafe", "해수욕장", "수욕", "강변", "焼け", "xyz", "pld", "-harbor", "tag:holidai",
     "harbor-side", "", "2024", "!!!"],
)  # fmt: skip
def test_known_or_too_different_words_get_no_suggestion(pictures: list[Image], words: str) -> None:
    assert meant(words) is None


def test_a_word_of_a_description_gets_no_suggestion(pictures: list[Image]) -> None:
    an_image("other", description="an old harbor")
    assert meant("harbor") is None


def test_the_most_frequent_word_of_visible_images_is_suggested(pictures: list[Image]) -> None:
    an_image("harpour")
    hidden = [an_image("harxour", tags=["secret"]) for _ in range(9)]
    Image.hide_all(hidden, hidden=True)

    assert meant("haryour") == "harbour"
    assert meant("secrett") is None


def test_the_suggestion_is_a_link_above_the_results_of_the_original_query(
    pictures: list[Image], client: Client
) -> None:
    page = client.get("/search", {"q": "harbuor <b>", "tag": "holiday"}).text
    assert 'href="/search?q=harbour+%3Cb%3E&amp;tag=holiday">harbour &lt;b&gt;</a>' in page
    assert page.index("Did you mean:") < page.index("<article")
    assert 'data-words="harbuor &lt;b&gt;"' in page
    assert "Did you mean" not in client.get("/search", {"q": "harbuor", "mode": "meaning"}).text
    assert "Did you mean" not in client.get("/search", {"q": "harbuor", "page": "2"}).text


def test_the_lexicon_of_a_large_collection_is_built_in_the_background(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(collection_cache, "FEW", 0)
    monkeypatch.setattr(lexicon, "_make_in_background", lambda: made.append("beside"))

    assert meant("harbuor") is None
    assert set(made) == {"beside"}


SHORT = st.text("ab한", max_size=5)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(SHORT.filter(lambda word: len(word) > 1), st.sets(SHORT.filter(bool), max_size=30))
def test_words_that_are_near_are_all_found(word: str, words: set[str]) -> None:
    def turned(one: str) -> set[str]:
        return {one[:n] + one[n + 1] + one[n] + one[n + 2 :] for n in range(len(one) - 1)}

    def edits(one: str) -> set[str]:
        less = {one[:n] + one[n + 1 :] for n in range(len(one))}
        other = {one[:n] + letter + one[n + 1 :] for n in range(len(one)) for letter in "ab한"}
        more = {one[:n] + letter + one[n:] for n in range(len(one) + 1) for letter in "ab한"}
        return (less | other | more) - {one}

    assert {one for one in words if _is_near(word, one)} == words & edits(word)
    assert _Sorted(words).near(word) == words & ((edits(word) | turned(word)) - {word})
