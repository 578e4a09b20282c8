"""Suggestions while typing, and the text that they insert."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client

from search.completion import suggest
from search.completion.suggestions import Kind, Value, Vocabulary, _terms, vocabulary
from search.models import Capture, Image
from search.models.arrivals import state
from tests.base import an_image

pytestmark = pytest.mark.django_db


def add_capture(image: Image, day: str, camera: str = "") -> None:
    source = Capture.TakenFrom.CAMERA
    moment = dt.datetime.fromisoformat(day)
    Capture.objects.create(image=image, taken=moment, taken_from=source, camera=camera)


@pytest.fixture
def pictures() -> list[Image]:
    shown = [
        an_image("a", tags=["holiday", "two words", "Café"]),
        an_image("b", tags=["holiday", "work", "해운대해수욕장"]),
        an_image("c", tags=["wholesale"]),
    ]
    hidden = an_image("d", tags=["holiday", "secret"], hidden=True)
    add_capture(shown[0], "2023-12-31T23:59:59", "X100V")
    add_capture(shown[1], "2024-01-01T00:00:00", "Canon EOS R5")
    add_capture(hidden, "2019-01-01T00:00:00", "Spy")
    return [*shown, hidden]


def suggested(typed: str) -> list[tuple[str, int]]:
    return [(one.text, one.value.count) for one in suggest(typed)]


@pytest.mark.parametrize(
    ("typed", "suggestions"),
    [
        ("hol", [("tag:holiday", 2)]),
        ("old castle HOL", [("old castle tag:holiday", 2)]),
        ("-hol", [("-tag:holiday", 2)]),
        ("wor", [("tag:work", 1), ('tag:"two words"', 1)]),
        ("red two wo", [('red tag:"two words"', 1), ("red two tag:work", 1)]),
        ("cafe", [("tag:Café", 1)]),
        ("ＣＡＦＥ", [("tag:Café", 1)]),
        ("해수", [("tag:해운대해수욕장", 1)]),
        ("tag:", [("tag:holiday", 2), ("tag:Café", 1), ('tag:"two words"', 1)]),
        ('red -tag:"two w', [('red -tag:"two words"', 1)]),
        ("tag:two w", [('tag:"two words"', 1)]),
        ("태그:해", [("태그:해운대해수욕장", 1)]),
        ('-태그:"two w', [('-태그:"two words"', 1)]),
        ("촬영:20", [("촬영:2024", 1), ("촬영:2023", 1)]),
        ("tag:x1", []),
        ("x1", [('camera:"X100V"', 1)]),
        ("canon eos", [('camera:"Canon EOS R5"', 1)]),
        ('camera:"canon e', [('camera:"Canon EOS R5"', 1)]),
        ("r5", [('camera:"Canon EOS R5"', 1)]),
        ("20", [("taken:2024", 1), ("taken:2023", 1)]),
        ("taken:2023", []),
        ("-20", []),
        ("-taken:20", []),
        ("taken:", [("taken:2024", 1), ("taken:2023", 1)]),
        ("taken:2023-07", []),
        ("tag:holiday", []),
        ("hol ", []),
        ("", []),
        ('"hol', []),
        ('"red" hol', [('"red" tag:holiday', 2)]),
        ("olid", []),
        ("secret", []),
        ("spy", []),
        ("2019", []),
        ("by:hol", []),
        ("\0%_\\'", []),
        ("h" * 2000, []),
    ],
)
def test_the_last_word_is_completed_to_filters(
    pictures: list[Image], typed: str, suggestions: list[tuple[str, int]]
) -> None:
    assert suggested(typed)[: len(suggestions) or None] == suggestions


def test_values_of_hidden_pictures_are_not_suggested_or_counted(pictures: list[Image]) -> None:
    assert suggested("hol") == [("tag:holiday", 2)]
    Image.hide_all(pictures[1:2], hidden=True)
    assert suggested("hol") == [("tag:holiday", 1)]
    assert suggested("work") == suggested("canon") == suggested("2024") == []
    Image.objects.filter(pk=pictures[0].pk).update(tags=["vacation"])
    assert (suggested("hol"), suggested("vac")) == ([], [("tag:vacation", 1)])


def test_while_counting_is_slow_only_values_of_visible_pictures_are_suggested(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    suggest("hol")
    monkeypatch.setattr("search.query.collection_cache.QUICKLY", 0.0)
    monkeypatch.setattr("search.query.collection_cache.SHARE", 10**9)  # so that it is not counted again
    Image.hide_all(pictures[1:2], hidden=True)

    assert suggested("hol") == [("tag:holiday", 2)]
    assert suggested("work") == suggested("canon") == suggested("2024") == []
    assert suggested("202") == [("taken:2023", 1)]


def test_the_first_request_does_not_wait_for_the_vocabulary_of_a_large_collection(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr("search.query.collection_cache.FEW", 0)
    monkeypatch.setattr(vocabulary, "_make_in_background", lambda: made.append("beside"))

    assert suggested("hol") == []
    assert made == ["beside"]
    vocabulary.get(state())
    assert suggested("hol") == [("tag:holiday", 2)]


def test_the_most_frequent_of_thousands_come_first() -> None:
    values = [Value(Kind.TAG, f"tag {number:05}", 5_000 - number) for number in range(5_000)]
    made = Vocabulary(values)

    assert [value.label for value in made.beginning_with("t", None)[:2]] == ["tag 00000", "tag 00001"]
    assert [value.label for value in made.beginning_with("0499", Kind.TAG)] == [
        f"tag 0499{digit}" for digit in range(6)
    ]
    assert made.beginning_with("0499", Kind.CAMERA) == []


def test_suggestions_are_options_with_escaped_text(client: Client) -> None:
    an_image("a", tags=["<b> & 'x'"])

    answer = client.get("/search/suggestions", {"q": "red <b"})
    assert answer.status_code == 200
    assert '<li role="option" id="suggestion-1" aria-selected="false"' in answer.text
    assert 'data-text="red tag:&#34;&lt;b&gt; &amp; &#39;x&#39;&#34;"' in answer.text
    assert "1 picture" in answer.text
    assert client.get("/search/suggestions").text.strip() == ""
    assert "private" in answer["Cache-Control"]
    assert client.post("/search/suggestions").status_code == 405


def test_without_input_nothing_is_looked_up(client: Client) -> None:
    an_image("a", tags=["holiday"])
    page = client.get("/").text
    assert 'data-address="/search/suggestions"' in page
    assert "tag:holiday" not in page
    assert list(_terms("  ")) == []
    with connection.execute_wrapper(lambda *_args: pytest.fail("asked the database")):
        assert suggest(" ") == suggest('"red') == []
