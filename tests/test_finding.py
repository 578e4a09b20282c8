"""From a query to a page of results."""

import uuid
from dataclasses import replace

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from search.embedding import active_model
from search.models import Image
from search.querying import (
    PER_PAGE,
    Kind,
    NoSuchQuery,
    Part,
    SearchQuery,
    aiming,
    counting,
    find,
    heads,
    planning,
    similar_images,
)
from search.querying.heads import forget_heads
from search.vectors import Vector
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Vector:
    """Whatever the words, this is the vector they have."""
    vector = a_vector(1)
    monkeypatch.setattr(aiming, "text_vector", lambda words: vector)
    return vector


def titles(query: SearchQuery) -> list[str]:
    return [image.title for image in find(query).images]


def test_the_nearest_comes_first_with_its_cosine_similarity(asked: Vector):
    for title, similarity in [("far", 0.1), ("near", 0.9), ("nearer", 0.95)]:
        an_image(title, vector=near(asked, similarity))
    images = find(SearchQuery(words="something")).images
    assert [image.title for image in images] == ["nearer", "near", "far"]
    assert [image.similarity for image in images] == pytest.approx([0.95, 0.9, 0.1], abs=1e-3)


def test_an_empty_query_shows_the_newest_first():
    for title in ("oldest", "older", "new"):
        an_image(title)
    # One transaction has one time: set the order apart.
    for days, title in enumerate(("new", "older", "oldest")):
        Image.objects.filter(title=title).update(created=f"2026-01-{20 - days} 00:00Z")
    assert titles(SearchQuery()) == ["new", "older", "oldest"]


def test_hidden_images_are_never_found(asked: Vector):
    an_image("hidden", vector=asked, hidden=True)
    shown = an_image("shown", vector=near(asked, 0.5))
    assert titles(SearchQuery(words="something")) == ["shown"]
    assert titles(SearchQuery()) == ["shown"]
    assert similar_images(shown, 5) == []


def test_a_search_sees_only_vectors_of_the_active_model(asked: Vector):
    an_image("of another model", vector=asked, embedding_model="another")
    an_image("of this model", vector=near(asked, 0.2))
    page = find(SearchQuery(words="something"))
    assert [image.title for image in page.images] == ["of this model"]
    assert page.found == 1


def test_an_image_of_another_model_can_be_browsed_but_has_no_similar_ones():
    an_image("mine")
    other = an_image("other", embedding_model="another")
    assert set(titles(SearchQuery())) == {"mine", "other"}
    assert similar_images(other, 5) == []


def test_more_like_this_leaves_the_image_itself_out():
    image = an_image("this", vector=a_vector(1))
    an_image("similar", vector=near(a_vector(1), 0.8))
    page = find(SearchQuery().more_like(image.id))
    assert [found.title for found in page.images] == ["similar"]
    assert page.found == 1


def test_more_like_this_needs_no_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiming, "text_vector", None)
    image = an_image()
    assert find(SearchQuery().more_like(image.id)).found == 0


def test_more_like_an_image_that_is_gone_or_hidden_is_told():
    for like in (uuid.uuid4(), an_image(hidden=True).id):
        with pytest.raises(NoSuchQuery):
            find(SearchQuery().more_like(like))


def test_a_picture_that_is_not_kept_is_told():
    with pytest.raises(NoSuchQuery):
        find(SearchQuery(parts=(Part(Kind.PICTURE, uuid.uuid4()),)))


def test_pages_follow_each_other_without_gaps_and_repeats(asked: Vector):
    many_images(60)
    pages = [find(SearchQuery(words="x", page=page)) for page in (1, 2, 3)]
    similarities = [image.similarity or 0 for page in pages for image in page.images]
    assert [len(page.images) for page in pages] == [PER_PAGE, PER_PAGE, 12]
    assert len({image.id for page in pages for image in page.images}) == 60
    assert similarities == sorted(similarities, reverse=True)
    assert [page.pages for page in pages] == [3, 3, 3]
    assert pages[1].next == SearchQuery(words="x", page=3, seen=pages[1].asked_at)
    assert pages[1].previous == SearchQuery(words="x")
    assert pages[2].next is None


def test_copies_of_a_picture_have_their_places_too(asked: Vector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(planning, "SCAN", replace(planning.SCAN, candidates=5))
    images = many_images(100)
    Image.objects.update(embedding=a_vector(3), created="2026-01-01 00:00Z")
    ids = [image.id for page in range(1, 6) for image in find(SearchQuery(words="x", page=page)).images]
    assert len(ids) == len(set(ids)) == len(images)


def test_a_page_past_the_end_is_empty_and_leads_back_to_the_last(asked: Vector):
    an_image()
    page = find(SearchQuery(words="x", page=10**6))
    assert page.is_past_the_end
    assert page.images == []
    assert page.previous == SearchQuery(words="x")


@pytest.mark.parametrize("exact_below", [0, 10**6], ids=["index", "exact"])
def test_the_index_finds_what_a_scan_of_all_rows_finds(
    asked: Vector, exact_below: int, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries
):
    many_images(1500)
    monkeypatch.setattr(planning, "EXACT_BELOW", exact_below)
    everything = np.array([(image.embedding) for image in Image.objects.order_by("pk")], dtype=np.float32)
    ids = list(Image.objects.order_by("pk").values_list("pk", flat=True))
    best = {ids[position] for position in np.argsort(-(everything @ asked))[:PER_PAGE]}
    with django_assert_max_num_queries(12):
        found = {image.id for image in find(SearchQuery(words="x")).images}
    assert len(found & best) >= 23


def test_a_deep_page_is_full_although_the_walk_through_the_index_would_end(asked: Vector, monkeypatch):
    many_images(1500)
    monkeypatch.setattr(planning, "EXACT_BELOW", 0)
    assert len(find(SearchQuery(words="x", page=60)).images) == PER_PAGE


def test_the_number_of_a_large_collection_is_remembered_for_a_while(asked: Vector, monkeypatch):
    monkeypatch.setattr(counting, "REMEMBERED_FROM", 1)
    an_image()
    assert find(SearchQuery(words="x")).found == 1
    an_image()
    assert find(SearchQuery(words="x")).found == 1
    cache.clear()
    assert find(SearchQuery(words="x")).found == 2


def test_the_vector_index_serves_the_order_of_a_search():
    many_images(300)
    with connection.cursor() as cursor:
        cursor.execute(planning.walk(240, rows=1_000).settings)
    assert "image_embedding_hnsw" in Image.objects.searchable(active_model()).nearest_to(a_vector(1))[:24].explain()


def test_the_next_page_does_not_gather_the_candidates_anew(asked: Vector):
    many_images(3 * PER_PAGE)
    first = find(SearchQuery(words="x"))
    assert first.next
    with CaptureQueriesContext(connection) as captured:
        second = find(first.next)
    assert len(second.images) == PER_PAGE
    assert [one["sql"] for one in captured.captured_queries if "<=>" in one["sql"]] == []
    forget_heads()
    assert [image.id for image in find(first.next).images] == [image.id for image in second.images]


def test_what_is_hidden_between_two_pages_is_not_on_the_second(asked: Vector):
    many_images(3 * PER_PAGE)
    first = find(SearchQuery(words="x"))
    assert first.next
    gone = find(first.next).images[0]
    gone.hide()
    assert gone.id not in [image.id for image in find(first.next).images]


def test_heads_are_forgotten_when_too_many_are_kept(asked: Vector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heads, "MOST", 1)
    many_images(2 * PER_PAGE)
    first, other = find(SearchQuery(words="x")), find(SearchQuery(words="y"))
    assert first.next
    assert other.next
    assert heads.remembered_head(first.next) is None
    assert heads.remembered_head(other.next) is not None
