"""Searching, from a query to a page of results."""

import datetime as dt
import uuid
from dataclasses import replace

import numpy as np
import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from search.embedding import active_model
from search.indexing import query_plan
from search.models import Image
from search.models.vector_sets import current_set, index_name
from search.models.vector_values import Vector
from search.query import Filters, Kind, Minimum, NoSuchQuery, Part, SearchQuery, Sort
from search.relevance.band_thresholds import Scale
from search.retrieval import (
    PER_PAGE,
    candidate_cache,
    candidate_generation,
    find,
    query_vector,
    search,
    similar_images,
)
from search.retrieval.candidate_cache import forget_candidates
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db


COPIES = SearchQuery(words="copies")


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Vector:
    """The vector of every text."""
    vector = a_vector(1)
    monkeypatch.setattr(query_vector, "text_vector", lambda words: vector)
    return vector


def titles(query: SearchQuery) -> list[str]:
    return [image.title for image in find(query).images]


def test_results_are_nearest_first_with_cosine_similarity(target: Vector):
    for title, similarity in [("far", 0.1), ("near", 0.9), ("nearer", 0.95)]:
        an_image(title, vector=near(target, similarity))
    images = find(SearchQuery(words="something")).images
    assert [image.title for image in images] == ["nearer", "near", "far"]
    assert [image.similarity for image in images] == pytest.approx([0.95, 0.9, 0.1], abs=1e-3)


def test_an_empty_query_shows_the_newest_first():
    for title in ("oldest", "older", "new"):
        an_image(title)
    # Rows of one transaction have the same time: set their order.
    for days, title in enumerate(("new", "older", "oldest")):
        Image.objects.filter(title=title).update(created=f"2026-01-{20 - days} 00:00Z")
    assert titles(SearchQuery()) == ["new", "older", "oldest"]


def test_hidden_images_are_never_found(target: Vector):
    an_image("hidden", vector=target, hidden=True)
    shown = an_image("shown", vector=near(target, 0.5))
    assert titles(SearchQuery(words="something")) == ["shown"]
    assert titles(SearchQuery()) == ["shown"]
    assert similar_images(shown, 5) == []


def test_a_search_uses_only_vectors_of_the_active_model(target: Vector):
    an_image("of another model", vector=target, embedding_model="another")
    an_image("of this model", vector=near(target, 0.2))
    page = find(SearchQuery(words="something"))
    assert [image.title for image in page.images] == ["of this model"]
    assert page.found == 1


def test_an_image_of_another_model_can_be_browsed_but_has_no_similar_ones():
    an_image("mine")
    other = an_image("other", embedding_model="another")
    assert set(titles(SearchQuery())) == {"mine", "other"}
    assert similar_images(other, 5) == []


def test_more_like_this_excludes_the_image_itself():
    image = an_image("this", vector=a_vector(1))
    an_image("similar", vector=near(a_vector(1), 0.8))
    page = find(SearchQuery().more_like(image.id))
    assert [found.title for found in page.images] == ["similar"]
    assert page.found == 1


def test_more_like_this_needs_no_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(query_vector, "text_vector", None)
    image = an_image()
    assert find(SearchQuery().more_like(image.id)).found == 0


def test_more_like_a_deleted_or_hidden_image_is_an_error():
    for like in (uuid.uuid4(), an_image(hidden=True).id):
        with pytest.raises(NoSuchQuery):
            find(SearchQuery().more_like(like))


def test_an_unknown_query_picture_is_an_error():
    with pytest.raises(NoSuchQuery):
        find(SearchQuery(parts=(Part(Kind.PICTURE, uuid.uuid4()),)))


def test_pages_have_no_gaps_or_repeats(target: Vector):
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


def test_images_with_equal_vectors_are_each_listed_once(target: Vector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=5))
    images = many_images(100)
    Image.objects.update(embedding=a_vector(3), created="2026-01-01 00:00Z")
    ids = [image.id for page in range(1, 6) for image in find(SearchQuery(words="x", page=page)).images]
    assert len(ids) == len(set(ids)) == len(images)


def test_a_page_past_the_end_is_empty_and_links_to_the_last(target: Vector):
    an_image()
    page = find(SearchQuery(words="x", page=10**6))
    assert page.is_past_the_end
    assert page.images == []
    assert page.previous == SearchQuery(words="x")


@pytest.mark.parametrize("exact_below", [0, 10**6], ids=["index", "exact"])
def test_the_index_finds_the_same_as_a_scan(
    target: Vector, exact_below: int, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries
):
    many_images(1500)
    monkeypatch.setattr(query_plan, "EXACT_BELOW", exact_below)
    everything = np.array([(image.embedding) for image in Image.objects.order_by("pk")], dtype=np.float32)
    ids = list(Image.objects.order_by("pk").values_list("pk", flat=True))
    best = {ids[position] for position in np.argsort(-(everything @ target))[:PER_PAGE]}
    with django_assert_max_num_queries(12):
        found = {image.id for image in find(SearchQuery(words="x")).images}
    assert len(found & best) >= 23


def test_a_deep_page_is_full_beyond_the_results_of_the_index(target: Vector, monkeypatch):
    many_images(1500)
    monkeypatch.setattr(query_plan, "EXACT_BELOW", 0)
    assert len(find(SearchQuery(words="x", page=60)).images) == PER_PAGE


def test_the_number_of_results_is_exact_and_cached(target: Vector):
    images = many_images(4, tags=lambda number: ["even"] if number % 2 == 0 else [])
    pending = an_image("pending", vector=a_vector(2))
    Image.objects.filter(pk=pending.pk).update(embedding=None, embedding_model="")
    query, even = SearchQuery(words="x"), SearchQuery(words="x", filters=Filters(tags=("even",)))

    def found() -> list[int]:
        return [find(one).found for one in (query, even, SearchQuery())]

    def groups_counted() -> int:
        with CaptureQueriesContext(connection) as captured:
            find(query)
        return sum("GROUP BY" in one["sql"] and "arrival" not in one["sql"] for one in captured.captured_queries)

    assert found() == [4, 2, 5]
    assert groups_counted() == 0
    an_image("new", tags=["even"])
    assert groups_counted() == 0
    assert found() == [5, 3, 6]
    Image.objects.filter(pk=pending.pk).update(embedding=a_vector(2), embedding_model=active_model())
    assert found() == [6, 3, 6]
    images[0].hide()
    assert found() == [5, 2, 5]
    Image.objects.filter(pk=images[1].pk).update(tags=["even"])
    assert found() == [5, 3, 5]
    images[2].delete()
    assert found() == [4, 2, 4]
    Image.objects.filter(pk=images[0].pk).update(hidden=False)
    assert found() == [5, 3, 5]
    Image.objects.filter(pk=images[3].pk).update(embedding_model="another")
    assert found() == [4, 3, 5]


def test_a_search_uses_the_vector_index():
    many_images(300)
    with connection.cursor() as cursor:
        cursor.execute(query_plan.index_scan(240, rows=1_000).settings)
    table = current_set(active_model())
    assert table
    nearest = Image.objects.searchable(active_model()).nearest_to(a_vector(1), table, by_index=True)
    assert index_name(table.table) in nearest[:24].explain()
    assert index_name(table.table) not in nearest.nearest_to(a_vector(1), table)[:24].explain()


def test_the_next_page_uses_cached_candidates(target: Vector):
    many_images(3 * PER_PAGE)
    first = find(SearchQuery(words="x"))
    assert first.next
    with CaptureQueriesContext(connection) as captured:
        second = find(first.next)
    assert len(second.images) == PER_PAGE
    assert [one["sql"] for one in captured.captured_queries if "<=>" in one["sql"]] == []
    forget_candidates()
    assert [image.id for image in find(first.next).images] == [image.id for image in second.images]


def test_an_image_hidden_between_two_pages_is_not_on_the_second(target: Vector):
    many_images(3 * PER_PAGE)
    first = find(SearchQuery(words="x"))
    assert first.next
    gone = find(first.next).images[0]
    gone.hide()
    assert gone.id not in [image.id for image in find(first.next).images]


def all_pages(query: SearchQuery) -> list[list[uuid.UUID]]:
    first = find(query)
    pages = [find(first.at_page(page)) for page in range(2, first.pages + 1)]
    return [[image.id for image in page.images] for page in (first, *pages)]


@pytest.mark.parametrize("query", [SearchQuery(), SearchQuery(words="x")], ids=["newest", "words"])
@pytest.mark.parametrize("kept", [True, False], ids=["same process", "another"])
def test_pages_do_not_shift_while_images_are_added_and_embedded(target: Vector, query: SearchQuery, kept: bool):
    many_images(60)
    waiting = list(Image.objects.order_by("id")[:10])
    Image.objects.filter(pk__in=[image.pk for image in waiting]).update(embedding=None, embedding_model="")
    first = find(query)
    before = [[image.id for image in find(first.at_page(page)).images] for page in (2, 3)]
    # Within the same second and the same transaction.
    for image in waiting:
        Image.objects.filter(pk=image.pk).update(embedding=target, embedding_model=active_model())
    for number in range(10):
        an_image("new", vector=near(target, 0.9, seed=number + 100))
    if not kept:
        forget_candidates()
    after = [find(first.at_page(page)) for page in (2, 3)]
    assert [[image.id for image in page.images] for page in after] == before
    assert {page.found for page in after} == {first.found}
    assert find(query).found == 70


def test_addresses_of_older_versions_with_a_time_in_seconds_work(target: Vector):
    many_images(30)
    Image.objects.update(created="2026-01-01 00:00Z")
    an_image("new", created="2026-01-03 00:00Z")
    second = SearchQuery(words="x", page=2, seen=1767312000)  # the second of January
    page = find(second)
    assert (page.found, len(page.images)) == (30, 6)
    assert page.previous == SearchQuery(words="x")
    assert page.at_page(3).seen == second.seen


def test_hiding_images_while_paging_skips_no_row_and_updates_the_count(target: Vector):
    many_images(3 * PER_PAGE)
    first = find(SearchQuery(words="x"))
    before = all_pages(SearchQuery(words="x"))
    for image in first.images[:10]:
        image.hide()
    later = [find(first.at_page(page)) for page in (2, 3)]
    assert [[image.id for image in page.images] for page in later] == before[1:]
    assert [page.found for page in later] == [62, 62]
    assert later[0].pages == 3
    assert sum(map(len, all_pages(SearchQuery(words="x")))) == 62


@pytest.mark.parametrize(
    "query",
    [SearchQuery(), SearchQuery(sort=Sort.OLDEST), SearchQuery(words="x"), SearchQuery(words="-x"), COPIES],
    ids=["newest", "oldest", "words", "negative", "copies"],
)
def test_hiding_and_deleting_whole_pages_skips_no_row_however_far_from_the_first(target: Vector, query: SearchQuery):
    many_images(14 * PER_PAGE)
    if query is COPIES:
        query = SearchQuery(words="x")
        Image.objects.filter(title__gte="3").update(embedding=near(target, -0.5))
    before = [one for page in all_pages(query) for one in page]
    page, walked = find(query), list[uuid.UUID]()
    while True:
        ids = [image.id for image in page.images]
        walked += ids
        if page.query.page > 10:
            gone = Image.objects.filter(pk__in=ids)
            gone.delete() if page.query.page % 2 else Image.hide_all(list(gone))
        if page.next is None:
            break
        page = find(SearchQuery.from_params(QueryDict(page.next.to_url())))
    assert walked == before
    assert page.query.page == 14


@pytest.mark.parametrize(
    "anchor", ["", "x", "1e999_" + "0" * 32, "9" * 30 + "_" + "0" * 32, "-.._" + "0" * 32, "0.5_5"]
)
def test_an_invalid_anchor_in_the_address_is_ignored(target: Vector, anchor: str):
    many_images(2 * PER_PAGE)
    page = find(SearchQuery.from_params({"page": ["2"], "after": [anchor]}))
    assert len(page.images) == PER_PAGE


def test_hiding_the_images_of_the_last_page_removes_it(target: Vector):
    many_images(2 * PER_PAGE + 5)
    first = find(SearchQuery(words="x"))
    for image in find(first.at_page(3)).images:
        image.hide()
    second = find(first.at_page(2))
    assert (second.found, second.pages, second.next) == (48, 2, None)
    assert find(SearchQuery(words="x")).pages == 2


def test_images_that_stop_matching_a_filter_are_neither_shown_nor_counted(target: Vector):
    many_images(PER_PAGE + 6)
    Image.objects.update(licence="CC0")
    first = find(SearchQuery(words="x", filters=Filters(licences=("CC0",))))
    assert first.next
    changed = find(first.next).images[-1]
    Image.objects.filter(pk=changed.pk).update(licence="")
    second = find(first.next)
    assert changed.id not in [image.id for image in second.images]
    assert (second.found, len(second.images)) == (PER_PAGE + 5, 5)


def test_sorted_by_date_hiding_an_image_lets_no_other_move_up(target: Vector, monkeypatch):
    monkeypatch.setattr(search, "NEAREST", 30)
    monkeypatch.setattr(candidate_generation, "MOST_BY_WORDS", 4)
    images = many_images(60)
    for number, image in enumerate(images):
        image.embedding = near(target, 0.9 - number / 100, seed=number + 100)
        image.created = timezone.now() - dt.timedelta(days=60 - number)
    Image.objects.bulk_update(images, ["embedding", "created"])
    Image.objects.filter(pk__in=[image.pk for image in images[40:46]]).update(description="harbour")

    query = SearchQuery(words="harbour", sort=Sort.NEWEST)
    before = all_pages(query)
    first = find(query)
    Image.objects.get(pk=before[1][0]).hide()
    after = [[image.id for image in find(first.at_page(page)).images] for page in (2, 3)]
    assert {one for page in after for one in page} == {one for page in before[1:] for one in page} - {before[1][0]}


@pytest.mark.parametrize("deleted", [False, True], ids=["all", "after deletions"])
@pytest.mark.parametrize("exact_below", [0, 10**6], ids=["index", "exact"])
def test_hundreds_of_copies_displace_no_other_results(target: Vector, deleted: bool, exact_below: int, monkeypatch):
    monkeypatch.setattr(query_plan, "EXACT_BELOW", exact_below)
    images = many_images(1_000)
    for start, similarity in ((0, 0.95), (300, 0.5)):
        ids = [image.pk for image in images[start : start + 300]]
        Image.objects.filter(pk__in=ids).update(embedding=near(target, similarity, seed=start))
    if deleted:
        Image.objects.filter(pk__in=[image.pk for image in images[::3]]).delete()
    vectors = dict(Image.objects.values_list("pk", "embedding"))
    nearness = {pk: float(np.asarray(vector, dtype=np.float32) @ target) for pk, vector in vectors.items()}
    copies = [{image.pk for image in images[start : start + 300]} & set(vectors) for start in (0, 300)]
    others = sorted(set(vectors) - copies[0] - copies[1], key=lambda pk: -nearness[pk])

    first = find(SearchQuery(words="x"))
    page = [image.id for image in first.images]
    assert set(page[:3]) <= copies[0]
    assert set(page[3:6]) <= copies[1]
    assert page[6:] == others[: PER_PAGE - 6]
    assert first.copies_from == 11
    assert {image.id for image in find(first.at_page(12)).images} <= copies[0]
    pages = all_pages(SearchQuery(words="x"))
    assert sorted(image_id for ids in pages for image_id in ids) == sorted(vectors)
    assert {len(ids) for ids in pages[:-1]} == {PER_PAGE}

    like = Image.objects.get(pk=min(copies[0]))
    similar = similar_images(like, 12)
    assert [image.id in copies[0] for image in similar] == [True] * 3 + [False] * 9
    assert len(similar_images(like, 900)) == min(900, len(vectors) - 1)


def test_the_page_where_copies_start_exists_or_is_none(target: Vector, monkeypatch: pytest.MonkeyPatch):
    scale = Scale(mean=0.0, spread=0.1, strong=0.6, related=0.4)
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: scale)
    images = many_images(300)
    for number, image in enumerate(images):
        image.embedding = near(
            target, 0.9 if number < PER_PAGE else 0.5, seed=number + 10 if number < PER_PAGE else 99
        )
    Image.objects.bulk_update(images, ["embedding"])
    assert find(SearchQuery(words="x")).copies_from == 2
    strong = find(SearchQuery(words="x", minimum=Minimum.STRONG))
    assert (strong.found, strong.pages, strong.copies_from) == (PER_PAGE, 1, None)
    assert find(SearchQuery(words="x", minimum=Minimum.RELATED)).copies_from == 2
    Image.objects.filter(pk__in=[image.pk for image in images[:20]]).delete()
    assert find(SearchQuery(words="x", minimum=Minimum.RELATED)).copies_from is None


def test_similar_images_are_complete_if_all_are_copies():
    images = many_images(30)
    Image.objects.update(embedding=a_vector(3))
    assert len(similar_images(Image.objects.get(pk=images[0].pk), 12)) == 12


@pytest.mark.parametrize("words", ["", "-night", "x"], ids=["filters alone", "unwanted alone", "not measured"])
def test_sorting_by_date_works_without_a_calibration(target: Vector, words: str):
    days = {image.id: number for number, image in enumerate(many_images(30))}
    for image_id, number in days.items():
        Image.objects.filter(pk=image_id).update(created=f"2026-01-{(number * 7) % 30 + 1:02} 00:00Z")
    moments = dict(Image.objects.values_list("pk", "created"))
    for sort, reverse in ((Sort.NEWEST, True), (Sort.OLDEST, False)):
        query = SearchQuery(words=words, filters=Filters(formats=("JPEG",)), sort=sort)
        found = [image_id for page in all_pages(query) for image_id in page]
        assert len(found) == 30
        by_date = sorted(found, key=lambda one: moments[one], reverse=reverse)
        if words == "-night":  # those similar to the unwanted text come last, sorted by date as well
            assert found[0] in by_date[:10]
            assert found != by_date[::-1]
        else:
            assert found == by_date


def test_the_candidate_cache_is_limited(target: Vector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidate_cache, "MOST", 1)
    many_images(2 * PER_PAGE)
    first, other = find(SearchQuery(words="x")), find(SearchQuery(words="y"))
    assert first.next
    assert other.next
    assert candidate_cache.cached_candidates(first.next) is None
    assert candidate_cache.cached_candidates(other.next) is not None
