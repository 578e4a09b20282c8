"""`manage.py migrate`: Django's own, under a lock for each database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from search.monitoring.upgrades import differences, migrating

LOCK = 0x696D67736D696772
"""Key of PostgreSQL's advisory lock, used by nothing else."""
POLL = 0.2
"""Seconds between two attempts."""


class Command(migrate.Command):
    help = "Migrate the database to this version. If another process is migrating it, wait for that to end."

    def check(self, *args: Any, **options: Any) -> None:
        with migrating():
            super().check(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        with self._alone(options["database"], verbose=options["verbosity"] > 0):
            super().handle(*args, **options)
            unknown = differences()[1] if options["database"] == DEFAULT_DB_ALIAS else []
        if unknown:
            newer = ", ".join(unknown)
            self.stderr.write(f"The database is of a newer version than this code, which does not know {newer}.")

    @contextmanager
    def _alone(self, database: str, *, verbose: bool) -> Iterator[None]:
        """Hold a session-level advisory lock, which ends with the connection even if the process is killed."""
        connection = connections[database]
        waits = False
        # Not pg_advisory_lock: a waiting statement holds a snapshot, and CREATE INDEX CONCURRENTLY in the other
        # process would wait for it in turn.
        while not _asked(connection, "SELECT pg_try_advisory_lock(%s)"):
            if verbose and not waits:
                self.stdout.write("Another process is migrating this database; waiting for it ...")
                self.stdout.flush()
            waits = True
            time.sleep(POLL)
        try:
            yield
        finally:
            with suppress(DatabaseError):  # the connection was lost, and the lock with it
                _asked(connection, "SELECT pg_advisory_unlock(%s)")


def _asked(connection: Any, question: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [LOCK])
        return bool(cursor.fetchone()[0])
