"""A connection pool that fails at once while the database is down, and recovers as soon as it is up."""

import logging
import re
import time
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar, cast

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.errors import _WaitTimeout
from psycopg.waiting import READY_NONE
from psycopg_pool import ConnectionPool

from imagesearch.postgresql.breaker import Breaker, DatabaseAway

SILENCE = 2.0
"""Seconds without an answer to a query after which the database is probed on another connection."""
_ASKED_FOR = 3
"""Timeout of that probe in seconds."""
_RETRIED_FOR = 1.0
"""Seconds after which the pool gives up connecting: its pauses would double, and the breaker's don't."""

_REFUSED = re.compile(
    "password authentication failed|does not exist|no pg_hba.conf entry|invalid command-line argument", re.ASCII
)
"""Reasons of a server that responds, and will refuse the next attempt too."""

RV = TypeVar("RV")

# The pool logs each connection and attempt; the breaker logs what matters.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class _Resumed(Generic[RV]):
    """A psycopg wait, resumed after a timeout. psycopg starts a generator with `next`, and one that is running needs
    READY_NONE instead: the C version (3.3.9) raises TypeError while it sends."""

    def __init__(self, gen: PQGen[RV]) -> None:
        self.send = gen.send

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.send(READY_NONE)


class Connection(psycopg.Connection[Any]):
    """Reports answers to its pool's breaker; with `is_impatient` it does not wait for ever for a database that
    hangs."""

    breaker: Breaker | None = None
    is_impatient = False
    deadline: float | None = None
    """When to give up any wait, in monotonic seconds."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if self.deadline is not None:
            return super().wait(gen, interval, max(0.0, self.deadline - time.monotonic()))
        if self.breaker is None:
            return super().wait(gen, interval, timeout)
        while True:
            try:
                answer = super().wait(gen, interval, SILENCE if self.is_impatient and timeout is None else timeout)
            except _WaitTimeout:
                if timeout is not None:
                    raise
                try:
                    self.breaker.ask()
                except DatabaseAway:
                    self.pgconn.finish()
                    raise
                gen = cast("PQGen[RV]", _Resumed(gen))
            else:
                self.breaker.heard()
                return answer


class Pool(ConnectionPool[Connection]):
    """With `patience`, as in commands, a request for a connection waits so many seconds for a database that has been
    up and is down. Raises DatabaseAway, at once without patience."""

    def __init__(self, *, patience: float, **options: Any) -> None:
        self._patience = patience
        self._has_given_up = False
        """Whether a database that has never answered was waited for in vain: once is enough."""
        self.breaker = Breaker(self._attempt, self._fail_waiting)
        super().__init__(
            connection_class=Connection,
            check=self._replace_broken,
            reconnect_timeout=_RETRIED_FOR,
            reconnect_failed=lambda _pool: self._try_again(),
            **options,
        )

    def _attempt(self) -> None:
        deadline = time.monotonic() + _ASKED_FOR
        parameters = {**self._resolve_kwargs(), "connect_timeout": _ASKED_FOR, "autocommit": True}
        with Connection.connect(self._resolve_conninfo(), **parameters) as connection:
            connection.deadline = deadline
            connection.execute("SELECT 1")

    def _connect(self, timeout: float | None = None) -> Connection:
        began = time.monotonic()
        try:
            connection = super()._connect(timeout)
        except psycopg.OperationalError as error:
            self.breaker.failed(error, began)
            raise
        connection.breaker, connection.is_impatient = self.breaker, not self._patience
        self.breaker.heard()
        return connection

    def _getconn_unchecked(self, timeout: float) -> Connection:
        ends = time.monotonic() + timeout
        while True:
            patience = min(self._patience, ends - time.monotonic()) if self._may_come_back() else 0.0
            try:
                self.breaker.require(patience)
            except DatabaseAway:
                self._has_given_up = not self.breaker.has_answered
                raise
            try:
                return super()._getconn_unchecked(ends - time.monotonic())
            except DatabaseAway:
                if not patience:
                    raise

    def _may_come_back(self) -> bool:
        """Whether a database that is down is worth waiting for: if nothing listens from the start, its address is
        probably wrong, as are a name or password that the server refuses."""
        if not self._patience or not self.breaker.is_away or self.breaker.has_answered:
            return True
        if self._has_given_up or _REFUSED.search(str(self.breaker.error())):
            return False
        known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
        given = {name: value for name, value in self._resolve_kwargs().items() if name in known}
        where = make_conninfo(self._resolve_conninfo(), **given)
        return pq.PGconn.ping(where.encode()) != pq.Ping.NO_RESPONSE

    def _fail_waiting(self) -> None:
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        for one in waiting:
            one.fail(self.breaker.error())

    def _try_again(self) -> None:
        """Connecting was given up: try again if anybody waits for a connection."""
        with self._lock:
            if self._waiting:
                self._maybe_grow_pool()

    def _replace_broken(self, connection: Connection) -> None:
        """Raise for a broken connection, and have the other broken ones in the pool replaced.

        Else each request would try one broken connection after the other with growing pauses, after a long restart of
        the database.
        """
        try:
            self.check_connection(connection)
        except Exception:
            if not self.breaker.is_away:
                with suppress(psycopg.Error):
                    self.check()
            raise
