"""Query texts: normalisation, and the cache of their vectors."""

import threading
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from search import embedding
from search.embedding import text_vector
from search.embedding import text_vectors as texts
from search.embedding.guarded_encoders import GuardedTexts
from search.models.vector_values import Vectors, unit_vectors
from search.query import SearchQuery
from search.retrieval import find
from search.retrieval.search_scope import Scope
from search.text.normalization import normalised_text
from tests.base import a_vector, an_image

pytestmark = pytest.mark.django_db

SEARCHES = settings(max_examples=300, derandomize=True, deadline=None, database=None)


class RecordingEncoder:
    """The real encoder; records the texts that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._real = embedding.text_encoder()

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return self._real.encode_texts(texts)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> RecordingEncoder:
    recording = RecordingEncoder()
    monkeypatch.setattr(texts, "text_encoder", lambda: recording)
    return recording


# Normalisation


@pytest.mark.parametrize(
    "written",
    [
        "café",
        "cafe\u0301",
        "  café ",
        "\tcafé\r\n",
        "\u3000café\u00a0",
        "\x00café\x00",
        "caf\ud800é",
        "\udfffcafé\udc00",
        "\x1fcafé\x85",
    ],
)
def test_equivalent_texts_are_normalised_to_the_same(written: str) -> None:
    assert normalised_text(written) == "café"


def test_decomposed_hangul_is_composed() -> None:
    assert normalised_text(unicodedata.normalize("NFD", "금붕어")) == "금붕어"


def test_words_stay_separate_whatever_white_space_or_control_character_is_between_them() -> None:
    assert {normalised_text(f"red{between}star") for between in (" ", "\n\n", "\x00", "\u2003 \t", "\x07 ")} == {
        "red star"
    }


def test_a_character_outside_the_basic_plane_is_kept() -> None:
    assert normalised_text("🐶 dog") == "🐶 dog"


def test_white_space_alone_is_the_empty_text() -> None:
    assert normalised_text(" \x00\ud83d\u3000") == ""


@SEARCHES
@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=60))
def test_normalised_text_can_be_encoded_and_stays_as_it_is(written: str) -> None:
    once = normalised_text(written)

    once.encode()
    assert normalised_text(once) == once
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in once)


# The vector


def test_the_vector_is_float32_of_unit_length() -> None:
    for _ in ("encoded", "remembered"):
        vector = text_vector("red star")
        assert vector.shape == (512,)
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_same_text_is_encoded_once(encoder: RecordingEncoder) -> None:
    first, again = text_vector("red star"), text_vector("  red\u00a0star\x00")

    assert encoder.asked == ["red star"]
    assert (first == again).all()


def test_the_encoder_gets_the_normalised_text(encoder: RecordingEncoder) -> None:
    text_vector("\x00cafe\u0301  au\tlait\ud800")

    assert encoder.asked == ["café au lait"]


def test_another_text_is_encoded(encoder: RecordingEncoder) -> None:
    red, blue = text_vector("red star"), text_vector("blue star")

    assert encoder.asked == ["red star", "blue star"]
    assert not (red == blue).all()


@pytest.mark.parametrize("name", ["EMBEDDING_TEXT_MODEL", "EMBEDDING_IMAGE_MODEL"])
def test_another_model_encodes_the_same_text_again(encoder: RecordingEncoder, settings: Any, name: str) -> None:
    text_vector("red star")
    setattr(settings, name, "somebody/another-model")

    text_vector("red star")

    assert encoder.asked == ["red star", "red star"]


def test_a_failure_is_not_cached(monkeypatch: pytest.MonkeyPatch, encoder: RecordingEncoder) -> None:
    def fail() -> RecordingEncoder:
        raise embedding.ModelUnavailable("not now")

    with monkeypatch.context() as broken:
        broken.setattr(texts, "text_encoder", fail)
        with pytest.raises(embedding.ModelUnavailable):
            text_vector("red star")

    text_vector("red star")
    assert encoder.asked == ["red star"]


class LateEncoder:
    """An encoder that ends only when the collection has been counted."""

    backend, dimensions = "late", 512

    def __init__(self, counted: threading.Event) -> None:
        self.counted, self.waited = counted, False

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.waited = self.counted.wait(30)
        return unit_vectors([a_vector(1)], count=len(texts), dimensions=512)


def test_a_search_counts_while_a_model_encodes_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [an_image(vector=a_vector(number)) for number in (1, 2)]
    counted = threading.Event()
    total = Scope.total.func  # type: ignore[attr-defined]

    def noted(scope: Scope) -> int:
        counted.set()
        return int(total(scope))

    monkeypatch.setattr(Scope, "total", property(noted))
    late = LateEncoder(counted)
    monkeypatch.setattr(texts, "text_encoder", lambda: GuardedTexts(late, "a late model"))

    assert [image.id for image in find(SearchQuery(words="red star")).images] == [image.id for image in found]
    assert late.waited


@pytest.mark.parametrize(("words", "held"), [("red star", True), ("rot sta", False), ("red", True), ("?!", False)])
def test_new_words_are_found_in_texts_only_where_any_text_holds_them(words: str, held: bool) -> None:
    titled = an_image(vector=a_vector(1), title="Red stars")
    an_image(vector=a_vector(2), title="A circle")

    with CaptureQueriesContext(connection) as statements:
        found = find(SearchQuery(words=words))

    assert [image.id for image in found.images if image.by_words] == [titled.id] * held
    assert any("ts_rank" in one["sql"] for one in statements) is held


def test_a_text_evicted_from_the_cache_is_encoded_again(encoder: RecordingEncoder) -> None:
    text_vector("red star")
    cache.clear()
    text_vector("red star")

    assert len(encoder.asked) == 2


@pytest.mark.django_db
def test_further_pages_of_results_need_no_encoding(client: Client, encoder: RecordingEncoder) -> None:
    for seed in range(50):
        an_image(vector=a_vector(seed))

    pages = [client.get("/search", {"q": "red star", "page": page}) for page in (1, 2, 3)]

    assert [page.status_code for page in pages] == [200, 200, 200]
    assert encoder.asked == ["red star"]


@pytest.mark.django_db
def test_words_without_a_vector_are_reported_and_are_no_server_error(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Speechless:
        def encode_texts(self, texts: Sequence[str]) -> Vectors:
            return unit_vectors(np.zeros((1, 512)), count=1, dimensions=512)

    monkeypatch.setattr(texts, "text_encoder", Speechless)

    answer = client.get("/search", {"q": "🐶"})

    assert answer.status_code == 503
    assert "has no vector for this text" in answer.content.decode()
