"""How a query is run is settled for it alone: the settings come and go with it."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from search.models import Image
from search.querying.planning import SCAN, planned, walk


def setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        [value] = cursor.fetchone()
    return str(value)


def settings_within() -> tuple[str, str]:
    with planned(SCAN):
        scan = setting("enable_indexscan")
    with planned(walk(240)):
        width = setting("hnsw.ef_search")
    return scan, width


@pytest.mark.django_db(transaction=True)
def test_a_plan_holds_for_the_queries_within_it_and_for_no_other() -> None:
    usual = setting("enable_indexscan"), setting("hnsw.ef_search")

    assert settings_within() == ("off", "400")

    assert usual == ("on", "200")
    assert (setting("enable_indexscan"), setting("hnsw.ef_search")) == usual


@pytest.mark.django_db(transaction=True)
def test_a_plan_ends_within_a_transaction_that_goes_on() -> None:
    usual = setting("enable_indexscan"), setting("hnsw.ef_search")

    with transaction.atomic():
        assert settings_within() == ("off", "400")
        assert (setting("enable_indexscan"), setting("hnsw.ef_search")) == usual


@pytest.mark.django_db(transaction=True)
def test_a_planned_query_is_sent_alone_and_finds_what_it_would_find_without() -> None:
    with CaptureQueriesContext(connection) as captured, planned(SCAN):
        assert list(Image.objects.filter(title="100 %")) == []
        assert Image.objects.count() == 0

    assert len(captured.captured_queries) == 2
