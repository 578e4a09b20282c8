"""The connection pool: few connections are shared, and a restart of the database costs only a moment."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import psycopg
import pytest
from django.db import OperationalError, connection

from imagesearch.postgresql import breaker, pool
from imagesearch.postgresql.base import DatabaseWrapper
from imagesearch.postgresql.breaker import DatabaseAway
from imagesearch.postgresql.limits import bound_waits, shared
from imagesearch.postgresql.pool import Pool
from search.query import SearchQuery
from search.retrieval.search_scope import Scope
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
def test_each_process_gets_an_equal_share_and_commands_the_rest(
    limit: int, processes: int, size: int, given: tuple[int, int]
) -> None:
    assert shared(limit, processes, size) == given


@pytest.mark.django_db
def test_lock_and_statement_timeouts_are_set_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    options = connection.settings_dict["OPTIONS"]
    for said, waits in ((options["options"], "10s"), (f"{options['options']} -c lock_timeout=3s", "3s")):
        monkeypatch.setitem(options, "options", said)
        bound_waits()
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert cursor.fetchone() == (waits, "1min")
        other.close()


class TcpProxy:
    """A TCP proxy for the tests' PostgreSQL that can be closed, or drop all data."""

    def __init__(self) -> None:
        self.port = free_port()
        self._swallows = False
        self._sockets: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def shut(self) -> None:
        """Like a server that has stopped."""
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets.clear()

    def swallow(self) -> None:
        """Like a server that hangs, or a network that drops all packets."""
        self._swallows = True

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _address = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(f"{connection.settings_dict['HOST']}/.s.PGSQL.5432")
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=[one, other], daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if not self._swallows:
                    other.sendall(data)
        for end in (one, other):  # also if one of them was reset
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    proxy = TcpProxy()
    yield proxy
    proxy.shut()


@pytest.fixture
def pool_of(
    proxy: TcpProxy, db: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[float], Pool]:
    """Makes pools behind the proxy, for requests or, with patience, for commands."""
    monkeypatch.setattr(breaker, "EVERY", 0.05)
    monkeypatch.setattr(pool, "SILENCE", 0.3)
    where = connection.get_connection_params() | {"dbname": "postgres", "host": "127.0.0.1", "port": proxy.port}

    def made(patience: float) -> Pool:
        one = Pool(
            patience=patience, kwargs=where | {"autocommit": True}, min_size=1, max_size=4, timeout=20, open=True
        )
        request.addfinalizer(lambda: one.close(0.1))
        return one

    return made


def answers(one: Pool) -> bool:
    with one.connection() as given:
        return bool(given.execute("SELECT 1").fetchone() == (1,))


def until(happened: Callable[[], object]) -> None:
    for _ in range(400):
        if happened():
            return
        time.sleep(0.01)
    pytest.fail("It did not happen.")


def test_requests_fail_at_once_while_the_database_is_down_and_recover_when_it_answers(
    proxy: TcpProxy, pool_of: Callable[[float], Pool]
) -> None:
    one = pool_of(0)
    assert answers(one)
    proxy.shut()
    asked = time.monotonic()

    def is_refused(_number: int) -> bool:
        try:
            return not answers(one)
        except psycopg.OperationalError:
            return True

    with ThreadPoolExecutor(16) as people:
        assert all(people.map(is_refused, range(64)))
    assert time.monotonic() - asked < 20  # each request could wait this long, with sixteen at a time
    assert one.breaker.is_away

    proxy.open()
    until(lambda: not one.breaker.is_away)
    assert answers(one)


def test_a_hanging_database_is_given_up_but_a_slow_query_is_waited_for(
    proxy: TcpProxy, pool_of: Callable[[float], Pool]
) -> None:
    one = pool_of(0)
    with one.connection() as given:
        assert given.execute("SELECT 7 FROM pg_sleep(0.8)").fetchone() == (7,)
        proxy.swallow()
        with pytest.raises(DatabaseAway):
            given.execute("SELECT 1")
    asked = time.monotonic()
    for _ in range(20):
        with pytest.raises(DatabaseAway):
            answers(one)
    assert time.monotonic() - asked < 1


def test_a_long_upload_of_parameters_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch, pool_of: Callable[[float], Pool]
) -> None:
    one = pool_of(0)
    with one.connection() as given:
        monkeypatch.setattr(pool, "SILENCE", 0.0)
        monkeypatch.setattr(one.breaker, "ask", lambda: None)
        assert given.execute("SELECT length(%s)", ["a" * 10_000_000]).fetchone() == (10_000_000,)


def test_a_command_waits_for_the_database_to_come_back(proxy: TcpProxy, pool_of: Callable[[float], Pool]) -> None:
    one = pool_of(20)
    assert answers(one)
    proxy.shut()
    until(lambda: one.breaker.is_away or not one.check())
    with ThreadPoolExecutor(1) as later:
        answered = later.submit(answers, one)
        proxy.open()
        assert answered.result()


def test_a_database_without_free_connections_does_not_count_as_down() -> None:
    at_work = breaker.Breaker(lambda: None)
    began = time.monotonic()
    at_work.heard()
    at_work.failed(psycopg.OperationalError("too many clients already"), began)

    assert not at_work.is_away
    at_work.require(0)


def test_all_broken_connections_are_replaced_when_one_is_found(pool_of: Callable[[float], Pool]) -> None:
    one = pool_of(0)
    with ExitStack() as all_at_once:
        taken = [all_at_once.enter_context(one.connection()) for _ in range(4)]
        pids = [given.info.backend_pid for given in taken]
    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as killer:
        for pid in pids:
            killer.execute("SELECT pg_terminate_backend(%s)", [pid])

    assert all(answers(one) for _ in range(8))
    assert not one.get_stats().get("requests_errors")


def test_a_search_that_waits_for_a_connection_does_not_block_others() -> None:
    entered = threading.Barrier(2, timeout=10)

    class Counts:
        @property
        def total(self) -> int:
            entered.wait()  # times out if the other search does not get here
            return 7

    def total_of(_number: int) -> int:
        scope = Scope(SearchQuery(), to=0)
        scope.__dict__["counts"] = Counts()
        return scope.total

    with ThreadPoolExecutor(2) as searches:
        assert list(searches.map(total_of, range(2))) == [7, 7]


@pytest.mark.django_db
def test_a_refused_connection_fails_at_once_without_the_timeout_of_the_pool() -> None:
    nowhere = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": str(free_port())}
    nowhere |= {
        "CONN_MAX_AGE": 0,
        "OPTIONS": {**nowhere["OPTIONS"], "pool": {"min_size": 1, "timeout": 60, "patience": 60}},
    }
    wrapper = DatabaseWrapper(nowhere, alias="nowhere")

    with pytest.raises(OperationalError, match="refused"):
        wrapper.ensure_connection()

    wrapper.close_pool()
