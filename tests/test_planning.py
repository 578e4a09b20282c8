"""How a query is run is settled for it alone: the settings come and go with it."""

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
def test_a_plan_holds_for_the_queries_within_it_and_for_no_other() -> None:
    usual = setting("enable_sort"), setting("hnsw.ef_search")

    assert settings_within() == ("on, then off", "320")

    assert usual == ("on", "200")
    assert (setting("enable_sort"), setting("hnsw.ef_search")) == usual


@pytest.mark.django_db(transaction=True)
def test_a_plan_ends_within_a_transaction_that_goes_on() -> None:
    usual = setting("enable_sort"), setting("hnsw.ef_search")

    with transaction.atomic():
        assert settings_within() == ("on, then off", "320")
        assert (setting("enable_sort"), setting("hnsw.ef_search")) == usual


@pytest.mark.django_db(transaction=True)
def test_a_planned_query_is_sent_alone_and_finds_what_it_would_find_without() -> None:
    with CaptureQueriesContext(connection) as captured, planned(SCAN):
        assert list(Image.objects.filter(title="100 %")) == []
        assert Image.objects.count() == 0

    assert len(captured.captured_queries) == 2


def a_set(vectors: int, *, windows: int = 0, partitions: int = 1) -> VectorTable:
    return VectorTable(1, "a model", 512, partitions, vectors, windows)


def width(matching: int, rows: int, **of_set: int) -> int:
    return int(plan_for(matching, a_set(rows, **of_set)).settings.partition("hnsw.ef_search = ")[2].partition(";")[0])


def test_the_walk_is_wider_the_larger_the_collection() -> None:
    widths = [width(rows, rows) for rows in (30_000, 100_000, 500_000, 1_000_000, 5_000_000)]
    assert widths == [336, 336, 716, 1000, 1000]


def test_a_few_rows_or_a_small_part_of_many_are_scanned_and_the_rest_walked() -> None:
    assert plan_for(4_000, a_set(4_000)).is_exact
    assert not plan_for(30_000, a_set(30_000)).is_exact
    assert plan_for(5_000, a_set(100_000)).is_exact
    assert not plan_for(50_000, a_set(500_000)).is_exact


def test_without_a_set_nothing_can_be_walked() -> None:
    assert plan_for(30_000, None).is_exact


def test_hidden_pictures_and_windows_are_met_on_the_way() -> None:
    assert width(10_000, 60_000) > width(10_000, 10_000)
    assert width(30_000, 60_000, windows=30_000) > width(30_000, 30_000)
    assert plan_for(30_000, a_set(60_000, windows=30_000)).candidates == query_plan.CANDIDATES


def test_each_of_several_parts_is_walked_less_widely_than_one_would_be() -> None:
    widths = [width(1_000_000, 1_000_000, partitions=parts) for parts in (1, 2, 4, 16)]
    assert widths == sorted(widths, reverse=True)
    # None may be walked less widely than a table of its size: of what is near, each part misses as much as that would.
    alone = [width(rows, rows) for rows in (500_000, 250_000, 62_500)]
    assert all(one < part for one, part in zip(alone, widths[1:], strict=True)), (alone, widths)
