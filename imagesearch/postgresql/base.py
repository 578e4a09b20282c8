from contextlib import suppress
from typing import Any, cast

import psycopg
from django.db.backends.postgresql import base
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    @property
    def pool(self) -> "ConnectionPool[Any] | None":
        pool: ConnectionPool[Any] | None = super().pool
        if pool is not None:
            # Django leaves no way to name another one.
            pool._check = _check
        return pool

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.pool and self.pool.closed:  # nothing has asked for a connection yet
            _require_server(conn_params)
        return super().get_new_connection(conn_params)


def _require_server(parameters: dict[str, Any]) -> None:
    """Raise OperationalError at once where no server answers.

    A pool waits for one as long as for a connection that somebody gives back, which in a command is a minute.
    """
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    where = make_conninfo("", **{name: value for name, value in parameters.items() if name in known})
    if pq.PGconn.ping(where.encode()) == pq.Ping.NO_RESPONSE:
        psycopg.connect(where, autocommit=True).close()


def _check(connection: "psycopg.Connection[Any]") -> None:
    """Raise an error for one that is broken, and have the others that lie in the pool replaced where they are too.

    Whoever waits is given one after the other until one works, with growing pauses: after a restart of the database
    that took longer than anybody waits.
    """
    try:
        ConnectionPool.check_connection(connection)
    except Exception:
        with suppress(psycopg.Error):
            cast("ConnectionPool[Any]", connection._pool).check()
        raise
