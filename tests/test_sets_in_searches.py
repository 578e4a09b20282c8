"""A search reads one vector set, however it is stored, and never two models."""

import uuid
from collections.abc import Callable

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from search.embedding import active_model
from search.indexing import query_plan
from search.models import Image, VectorSet
from search.models.vector_sets import current_set, forget_sets
from search.models.vector_values import Vector
from search.query import SearchQuery
from search.retrieval import find, query_vector, similar_images
from search.retrieval.candidate_cache import forget_candidates
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db

ASKED = a_vector(1)


@pytest.fixture(autouse=True)
def use_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query has this vector, and the index is used however few pictures there are."""
    monkeypatch.setattr(query_vector, "text_vector", lambda words: ASKED)
    monkeypatch.setattr(query_plan, "EXACT_BELOW", 0)
    monkeypatch.setattr(query_plan, "ROW_SCANNED", 10**12)


def divide(partitions: int) -> None:
    """Store the vectors of the active model in a set with this number of partitions."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE search_vectorset SET is_current = false WHERE model = %s", [active_model()])
        cursor.execute("SELECT make_vector_set(%s, 512, %s)", [active_model(), partitions])
        cursor.execute(
            "INSERT INTO search_imagevector (set_id, image_id, embedding) SELECT its.id, image.id, embedding"
            " FROM search_image AS image JOIN search_vectorset AS its ON model = embedding_model AND is_current"
        )
    forget_sets()
    forget_candidates()


def all_pages(query: SearchQuery) -> list[tuple[uuid.UUID, float]]:
    first = find(query)
    pages = [first, *(find(first.at_page(page)) for page in range(2, first.pages + 1))]
    return [(image.pk, round(image.similarity or 0, 4)) for page in pages for image in page.images]


def indexes_scanned(search: Callable[[], object]) -> int:
    """The number of indexes that the statement of a search scans."""
    with CaptureQueriesContext(connection) as captured:
        search()
    (sql,) = [one["sql"] for one in captured.captured_queries if "ef_search" in one["sql"]]
    with connection.cursor() as cursor:
        settings, _, select = sql.partition("SELECT search_image.id")
        cursor.execute(settings.split("SAVEPOINT planned;")[-1])
        cursor.execute("EXPLAIN SELECT search_image.id" + select.partition("; ROLLBACK")[0])
        return sum("_hnsw" in line for (line,) in cursor.fetchall())


def test_a_set_of_four_partitions_gives_the_same_results_as_one_table() -> None:
    # As few as a vector has neighbours in the index (2 m), which then links all of them: of more, it may miss one.
    images = many_images(32)
    whole = all_pages(SearchQuery(words="x"))
    alike = [image.pk for image in similar_images(images[0], 12)]
    assert indexes_scanned(lambda: find(SearchQuery(words="x"))) == 1
    divide(4)
    table = current_set(active_model())
    assert table
    assert table.partitions == 4
    assert indexes_scanned(lambda: find(SearchQuery(words="x"))) == 4
    assert all_pages(SearchQuery(words="x")) == whole
    assert [image.pk for image in similar_images(images[0], 12)] == alike


def test_the_number_of_vectors_is_estimated_over_all_partitions() -> None:
    many_images(300)
    divide(4)
    table = current_set(active_model())
    assert table
    assert 300 <= table.vectors <= 330


def test_a_picture_with_vectors_of_two_models_is_found_by_that_of_the_active_one() -> None:
    """The vector of the other model is kept for switching back."""
    image = an_image("switched", vector=near(ASKED, 0.9, seed=3), embedding_model="the model before")
    VectorSet.objects.filter(model="the model before").update(is_kept=True)
    Image.objects.filter(pk=image.pk).update(embedding=near(ASKED, 0.4, seed=4), embedding_model=active_model())
    other = an_image("of the model before", vector=ASKED, embedding_model="the model before")
    an_image("of this model", vector=near(ASKED, 0.6))
    forget_sets()
    found = find(SearchQuery(words="x"))
    assert [one.title for one in found.images] == ["of this model", "switched"]
    assert found.images[1].similarity == pytest.approx(0.4, abs=1e-3)
    assert found.found == 2
    assert similar_images(other, 5) == []


@pytest.mark.parametrize("exact_below", [0, 10**6], ids=["walk", "scan"])
def test_a_row_that_still_names_the_previous_model_is_compared_by_the_new_set(exact_below: int, monkeypatch) -> None:
    """Right after a switch: the new vector is in its set and is copied into the row in the background."""
    monkeypatch.setattr(query_plan, "EXACT_BELOW", exact_below)
    for module in ("search.models.querysets", "search.models.accepted_models", "search.retrieval.search_scope"):
        monkeypatch.setattr(f"{module}.accepted_names", lambda model: (model, "the model before"))
    an_image("copied", vector=near(ASKED, 0.6))
    waiting = an_image("not copied yet", vector=ASKED, embedding_model="the model before")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO search_imagevector (set_id, image_id, embedding)"
            " SELECT id, %s, %s::halfvec FROM search_vectorset WHERE model = %s AND is_current",
            [waiting.pk, str(near(ASKED, 0.3, seed=8).tolist()), active_model()],
        )
    found = find(SearchQuery(words="x"))
    assert [one.title for one in found.images] == ["copied", "not copied yet"]
    assert found.images[1].similarity == pytest.approx(0.3, abs=1e-3)
    vector: Vector = np.asarray(near(ASKED, 0.3, seed=8), dtype=np.float32)
    an_image("like it", vector=near(vector, 0.9, seed=9))
    assert find(SearchQuery().more_like(waiting.pk)).images[0].title == "like it"
