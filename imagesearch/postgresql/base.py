from contextlib import suppress
from typing import Any, cast

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    @property
    def pool(self) -> "ConnectionPool[Any] | None":
        pool: ConnectionPool[Any] | None = super().pool
        if pool is not None:
            # Django leaves no way to name another one.
            pool._check = _check
        return pool


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
