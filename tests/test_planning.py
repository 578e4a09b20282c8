"""Planner settings of a query apply to that query only."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from search.indexing import query_plan
from search.indexing.query_plan import SCAN, index_scan, plan_for, planned
from search.models import Image
from search.models.vector_sets import VectorTable


def setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        [value] = cursor.fetchone()
    return str(value)


def settings_within() -> tuple[str, str]:
    with planned(SCAN):
        sort = setting("enable_sort")
    with planned(index_scan(240, rows=100_000)):
        return f"{sort}, then {setting('enable_sort')}", setting("hnsw.ef_search")


@pytest.mark.django_db(transaction=True)
def test_a_plan_applies_to_the_queries_within_it_only() -> None:
    usual = setting("enable_sort"), setting("hnsw.ef_search")

    assert settings_within() == ("on, then off", "320")

    assert usual == ("on", "200")
    assert (setting("enable_sort"), setting("hnsw.ef_search")) == usual


@pytest.mark.django_db(transaction=True)
def test_a_plan_ends_before_its_transaction_does() -> None:
    usual = setting("enable_sort"), setting("hnsw.ef_search")

    with transaction.atomic():
        assert settings_within() == ("on, then off", "320")
        assert (setting("enable_sort"), setting("hnsw.ef_search")) == usual


@pytest.mark.django_db(transaction=True)
def test_a_planned_query_is_one_statement_with_the_same_results() -> None:
    with CaptureQueriesContext(connection) as captured, planned(SCAN):
        assert list(Image.objects.filter(title="100 %")) == []
        assert Image.objects.count() == 0

    assert len(captured.captured_queries) == 2


def a_set(vectors: int, *, windows: int = 0, partitions: int = 1) -> VectorTable:
    return VectorTable(1, "a model", 512, partitions, vectors, windows)


def ef_search(matching: int, rows: int, **of_set: int) -> int:
    return int(plan_for(matching, a_set(rows, **of_set)).settings.partition("hnsw.ef_search = ")[2].partition(";")[0])


def test_ef_search_grows_with_the_collection() -> None:
    widths = [ef_search(rows, rows) for rows in (30_000, 100_000, 500_000, 1_000_000, 5_000_000)]
    assert widths == [336, 336, 716, 1000, 1000]


def test_few_rows_or_a_selective_filter_are_scanned_and_others_use_the_index() -> None:
    assert plan_for(4_000, a_set(4_000)).is_exact
    assert not plan_for(30_000, a_set(30_000)).is_exact
    assert plan_for(5_000, a_set(100_000)).is_exact
    assert not plan_for(50_000, a_set(500_000)).is_exact


def test_without_a_vector_set_the_scan_is_exact() -> None:
    assert plan_for(30_000, None).is_exact


def test_hidden_pictures_and_windows_raise_ef_search() -> None:
    assert ef_search(10_000, 60_000) > ef_search(10_000, 10_000)
    assert ef_search(30_000, 60_000, windows=30_000) > ef_search(30_000, 30_000)
    assert plan_for(30_000, a_set(60_000, windows=30_000)).candidates == query_plan.CANDIDATES


def test_each_partition_is_searched_with_a_lower_ef_search_than_one_table() -> None:
    widths = [ef_search(1_000_000, 1_000_000, partitions=parts) for parts in (1, 2, 4, 16)]
    assert widths == sorted(widths, reverse=True)
    # No partition may use a lower ef_search than a table of its size: near matches missed by each would add up.
    alone = [ef_search(rows, rows) for rows in (500_000, 250_000, 62_500)]
    assert all(one < part for one, part in zip(alone, widths[1:], strict=True)), (alone, widths)
