"""Few connections are shared, and a restart of the database costs nobody more than a moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import OperationalError, connection
from psycopg_pool import ConnectionPool

from imagesearch.postgresql import base
from imagesearch.postgresql.base import DatabaseWrapper
from imagesearch.postgresql.limits import bound_waits, shared
from search.querying import SearchQuery
from search.querying.scope import Scope
from tests.s3_servers import free_port


@pytest.mark.parametrize(
    ("limit", "processes", "size", "given"),
    [
        (97, 4, 8, (4, 8)),
        (20, 4, 8, (4, 4)),
        (5, 2, 8, (2, 1)),
        (3, 4, 8, (1, 1)),
        (1, 2, 8, (1, 1)),
    ],
)
def test_each_process_gets_its_share_and_commands_the_rest(
    limit: int, processes: int, size: int, given: tuple[int, int]
) -> None:
    assert shared(limit, processes, size) == given


@pytest.mark.django_db
def test_a_server_waits_for_no_lock_for_ever_unless_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    options = connection.settings_dict["OPTIONS"]
    for said, waits in ((options["options"], "10s"), (f"{options['options']} -c lock_timeout=3s", "3s")):
        monkeypatch.setitem(options, "options", said)
        bound_waits()
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == (waits,)
        other.close()


@pytest.mark.django_db
def test_broken_connections_are_all_replaced_when_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = connection.get_connection_params() | {"dbname": "postgres", "autocommit": True}
    with ConnectionPool(kwargs=parameters, min_size=6, max_size=6, timeout=5, open=False) as pool:
        pool.wait()
        monkeypatch.setattr(pool, "_check", base._check)
        with psycopg.connect(**parameters) as killer:
            for one in list(pool._pool):
                killer.execute("SELECT pg_terminate_backend(%s)", [one.info.backend_pid])

        for _ in range(8):
            with pool.connection() as given:
                assert given.execute("SELECT 1").fetchone() == (1,)
        assert not pool.get_stats().get("requests_errors")


def test_one_search_that_waits_for_a_connection_does_not_hold_up_another() -> None:
    entered = threading.Barrier(2, timeout=10)

    class Counts:
        @property
        def total(self) -> int:
            entered.wait()  # breaks when the other search does not come this far
            return 7

    def total_of(_number: int) -> int:
        scope = object.__new__(Scope)
        scope.__dict__ |= {"query": SearchQuery(), "counts": Counts()}
        return scope.total

    with ThreadPoolExecutor(2) as searches:
        assert list(searches.map(total_of, range(2))) == [7, 7]


@pytest.mark.django_db
def test_where_no_server_answers_that_is_told_at_once_and_not_when_the_patience_of_the_pool_ends() -> None:
    nowhere = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": str(free_port())}
    nowhere |= {"CONN_MAX_AGE": 0, "OPTIONS": {**nowhere["OPTIONS"], "pool": {"min_size": 1, "timeout": 60}}}
    wrapper = DatabaseWrapper(nowhere, alias="nowhere")

    with pytest.raises(OperationalError, match="refused"):
        wrapper.ensure_connection()

    wrapper.close_pool()
