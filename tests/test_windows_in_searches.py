"""Wide and tall pictures have several vectors; a search finds each picture once, by its nearest vector."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from django.db import connection

from search.embedding import active_model
from search.indexing import query_plan
from search.models import Image, ImageVector, VectorSet
from search.models.arrivals import state
from search.models.vector_sets import current_set, forget_sets
from search.models.vector_values import Vector
from search.query import Filters, Minimum, SearchQuery, Sort
from search.relevance.band_thresholds import Scale
from search.retrieval import PER_PAGE, find, query_vector, similar_images
from search.retrieval.candidate_cache import forget_candidates
from search.retrieval.new_matches import Window, new_matches
from tests.base import a_vector, an_image, an_unsaved_image, many_images, near

pytestmark = pytest.mark.django_db

ASKED = a_vector(1)
SCALE = Scale(mean=0.0, spread=0.1, strong=0.6, related=0.4)


@pytest.fixture(autouse=True)
def text_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query has this vector, except "dog", which has another one."""
    vectors = {"dog": a_vector(2)}
    monkeypatch.setattr(query_vector, "text_vector", lambda words: vectors.get(words, ASKED))


@pytest.fixture(params=["walk", "scan"])
def search_method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(query_plan, "EXACT_BELOW", 0 if request.param == "walk" else 10**6)
    monkeypatch.setattr(query_plan, "ROW_SCANNED", 10**12)
    return str(request.param)


def with_windows(image: Image, windows: Sequence[Vector]) -> Image:
    with connection.cursor() as cursor:
        for number, vector in enumerate(windows, start=image.vectors.count()):
            cursor.execute(
                "INSERT INTO search_imagevector (set_id, image_id, window_index, embedding)"
                " SELECT id, %s, %s, %s::halfvec FROM search_vectorset WHERE model = %s AND is_current",
                [image.pk, number, str(vector.tolist()), active_model()],
            )
    forget_sets()
    return image


def a_panorama(title: str = "", *similarities: float, whole: float = 0.1, **fields: object) -> Image:
    """A wide picture, with the similarities of the whole and of its windows to the query."""
    image = an_image(title, vector=near(ASKED, whole, seed=len(title) + 500), width=6000, height=1000, **fields)
    return with_windows(image, [near(ASKED, one, seed=600 + place) for place, one in enumerate(similarities)])


def panoramas(count: int) -> list[Image]:
    """Wide pictures in random directions, each with three windows in others."""
    rng = np.random.default_rng(11)
    vectors = rng.normal(size=(count, 4, 512))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    images = Image.objects.bulk_create(
        an_unsaved_image(f"panorama {number}", vector=own[0], width=3000, height=1000)
        for number, own in enumerate(vectors)
    )
    ids = VectorSet.objects.filter(model=active_model(), is_current=True).values_list("pk", flat=True)
    ImageVector.objects.bulk_create(
        ImageVector(image=image, set_id=ids[0], window_index=place, embedding=own[place])
        for image, own in zip(images, vectors, strict=True)
        for place in (1, 2, 3)
    )
    forget_sets()
    return images


def nearest() -> dict[uuid.UUID, tuple[float, int]]:
    """For each image, the best similarity of its vectors and its window, computed from the vectors themselves."""
    best: dict[uuid.UUID, tuple[float, int]] = {}
    for image_id, place, vector in ImageVector.objects.values_list("image_id", "window_index", "embedding"):
        score = float(np.asarray(vector, dtype=np.float32) @ ASKED)
        if score > best.get(image_id, (-2.0, 0))[0]:
            best[image_id] = score, place
    return best


def all_pages(query: SearchQuery) -> list[Image]:
    first = find(query)
    pages = [first, *(find(first.at_page(page)) for page in range(2, first.pages + 1))]
    assert {len(page.images) for page in pages[:-1]} <= {PER_PAGE}
    return [image for page in pages for image in page.images]


def test_a_picture_is_found_by_its_nearest_window(search_method: str) -> None:
    an_image("other", vector=near(ASKED, 0.5))
    a_panorama("wide", 0.2, 0.9, 0.3)
    first, second = find(SearchQuery(words="x")).images
    assert (first.title, first.window) == ("wide", 2)
    assert first.similarity == pytest.approx(0.9, abs=1e-3)
    assert (second.title, second.window) == ("other", 0)


def test_a_picture_whose_whole_is_nearest_is_found_as_a_whole(search_method: str) -> None:
    a_panorama("wide", 0.2, 0.3, whole=0.8)
    (image,) = find(SearchQuery(words="x")).images
    assert image.window == 0
    assert image.similarity == pytest.approx(0.8, abs=1e-3)


def test_every_picture_is_on_one_page_once_by_its_nearest_vector(search_method: str) -> None:
    many_images(60)
    panoramas(40)
    found = all_pages(SearchQuery(words="x"))
    right = nearest()
    assert len(found) == len(right) == 100
    assert [image.pk for image in found] == sorted(right, key=lambda one: -right[one][0])
    assert [image.window for image in found] == [right[image.pk][1] for image in found]
    assert [image.similarity for image in found] == pytest.approx([right[image.pk][0] for image in found], abs=1e-3)
    assert find(SearchQuery(words="x")).found == 100


def test_pages_beyond_the_candidates_contain_the_rest_without_repetition(search_method: str, monkeypatch) -> None:
    monkeypatch.setattr(query_plan, "CANDIDATES", 24)
    monkeypatch.setattr(query_plan, "FEWEST_CANDIDATES", 24)
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=24))
    many_images(50)
    panoramas(50)
    found = all_pages(SearchQuery(words="x"))
    right = nearest()
    assert [image.pk for image in found[24:]] == [
        one for one in sorted(right, key=lambda one: -right[one][0]) if one not in {image.pk for image in found[:24]}
    ]
    assert len({image.pk for image in found}) == len(found) == 100
    forget_candidates()
    assert [image.pk for image in all_pages(SearchQuery(words="x"))] == [image.pk for image in found]


def test_the_nearest_vectors_may_all_be_windows_of_few_pictures(search_method: str, monkeypatch) -> None:
    for number in range(30):
        a_panorama(f"wide {number}", *[0.9 - number / 100] * 8)
    many_images(300)
    found = find(SearchQuery(words="x"))
    assert {image.title.split()[0] for image in found.images} == {"wide"}
    assert found.found == 330
    assert len({image.pk for image in all_pages(SearchQuery(words="x"))}) == 330


def test_pictures_are_similar_to_an_image_as_a_whole(search_method: str) -> None:
    image = an_image("this", vector=ASKED)
    an_image("other", vector=near(ASKED, 0.5))
    a_panorama("wide", 0.95, whole=0.3)
    for found in (find(SearchQuery().more_like(image.pk)).images, similar_images(image, 2)):
        assert [one.title for one in found] == ["other", "wide"]
        assert [one.window for one in found] == [0, 0]
        assert found[1].similarity == pytest.approx(0.3, abs=1e-3)


def test_a_wide_image_is_searched_by_as_a_whole() -> None:
    wide = a_panorama("wide", 0.95, whole=0.3)
    an_image("like the whole", vector=near(np.asarray(wide.embedding, dtype=np.float32), 0.9))
    an_image("like a window", vector=near(ASKED, 0.9))
    assert find(SearchQuery().more_like(wide.pk)).images[0].title == "like the whole"


def test_words_together_with_an_image_find_windows(search_method: str) -> None:
    image = an_image("this", vector=a_vector(3))
    a_panorama("wide", 0.2, 0.9)
    an_image("other", vector=near(ASKED, 0.5))
    found = find(SearchQuery(words="x").more_like(image.pk)).images
    assert [(one.title, one.window) for one in found] == [("wide", 2), ("other", 0)]


def test_an_unwanted_thing_is_found_anywhere_in_the_picture(search_method: str, monkeypatch) -> None:
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: SCALE)
    an_image("without", vector=near(ASKED, 0.65))
    with_windows(a_panorama("with", 0.9, whole=0.7), [near(a_vector(2), 0.95)])
    assert [one.title for one in find(SearchQuery(words="x")).images] == ["with", "without"]
    assert [one.title for one in find(SearchQuery(words="x -dog")).images] == ["without", "with"]


def test_an_unwanted_image_is_compared_as_a_whole(search_method: str, monkeypatch) -> None:
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: SCALE)
    unwanted = an_image("unwanted", vector=a_vector(2))
    with_windows(a_panorama("wide", 0.9, whole=0.7), [near(a_vector(2), 0.95)])
    an_image("other", vector=near(ASKED, 0.65))
    found = find(SearchQuery(words="x").less_like(unwanted.pk)).images
    assert [one.title for one in found] == ["wide", "other"]


def test_bands_counts_and_dates_use_the_nearest_window(monkeypatch) -> None:
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: SCALE)
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=3))
    for number in range(6):
        a_panorama(f"strong {number}", 0.7, created=f"2026-01-0{number + 1} 00:00Z")
        a_panorama(f"related {number}", 0.5, created=f"2026-02-0{number + 1} 00:00Z")
        a_panorama(f"weak {number}", 0.3, created=f"2026-03-0{number + 1} 00:00Z")
    assert find(SearchQuery(words="x", minimum=Minimum.STRONG)).found == 6
    assert find(SearchQuery(words="x", minimum=Minimum.RELATED)).found == 12
    dated = all_pages(SearchQuery(words="x", sort=Sort.NEWEST))
    assert [image.title.split()[0] for image in dated] == ["related"] * 6 + ["strong"] * 6 + ["weak"] * 6
    assert {image.window for image in dated} == {1}


def test_filters_are_exact_and_count_pictures_not_windows(search_method: str) -> None:
    many_images(20, tags=lambda number: ["even"] if number % 2 == 0 else [])
    for number in range(10):
        a_panorama(f"wide {number}", 0.9 - number / 100, 0.5, tags=["even"] if number % 2 else [])
    found = find(SearchQuery(words="x", filters=Filters(tags=("even",))))
    assert found.found == len(found.images) == len({image.pk for image in found.images}) == 15
    assert [image.title for image in found.images[:2]] == ["wide 1", "wide 3"]


def test_no_window_of_a_hidden_picture_is_found(search_method: str) -> None:
    a_panorama("hidden", 0.95, hidden=True)
    a_panorama("shown", 0.5)
    assert [image.title for image in find(SearchQuery(words="x")).images] == ["shown"]


def test_new_matches_are_found_by_a_window_too(monkeypatch) -> None:
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: SCALE)
    before = state().arrived
    a_panorama("wide", 0.2, 0.7)
    a_panorama("far", 0.2, 0.3)
    (image,) = new_matches(SearchQuery(words="x"), Window.since(before), 10).images
    assert (image.title, image.window, image.band) == ("wide", 2, "strong")
    assert image.similarity == pytest.approx(0.7, abs=1e-3)


def test_a_collection_without_windows_needs_no_extra_query(django_assert_max_num_queries) -> None:
    an_image("wide", vector=near(ASKED, 0.5), width=6000, height=1000)
    table = current_set(active_model())
    assert table
    assert table.windows == 0
    with django_assert_max_num_queries(20) as captured:
        assert [image.window for image in find(SearchQuery(words="x")).images] == [0]
    assert not [one for one in captured.captured_queries if "SELECT MIN" in one["sql"].upper()]
    a_panorama("another", 0.9)
    table = current_set(active_model())
    assert table
    assert table.windows > 0
