"""Makes the test database fast: nothing in it must survive a power failure, and few tables ever have rows."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

from search import demo
from search.embedding import identity_of
from search.models import VectorSet
from search.models.vector_sets import drop_set, table_of

_NOT_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
_DATA_FOLDER = "SELECT setting FROM pg_settings WHERE name = 'data_directory'"
"""No row for a user who may not know it."""
_MIGRATED = "migrated_"
_LASTING = {"django_content_type", "auth_permission", "django_migrations"}
"""Tables that `migrate` fills and no test writes to; if emptied, they would have to be filled after each test."""


@contextmanager
def own_server() -> Iterator[psycopg.Connection | None]:
    """A connection to the embedded server, if it is the one under the tests' own folder."""
    server = settings.DATABASES["default"]
    where = {"host": server["HOST"], "port": server["PORT"] or None, "user": server["USER"], "dbname": server["NAME"]}
    # Django adds an empty one to the settings of the embedded server.
    if server.get("PASSWORD"):  # a server that the developer configured
        yield None
        return
    with psycopg.connect(**where, autocommit=True) as direct:
        (folder,) = direct.execute(_DATA_FOLDER).fetchone() or ("",)
        yield direct if Path(folder).is_relative_to(settings.DATA_DIR) else None


def wait_for_no_disk(direct: psycopg.Connection) -> None:
    """Have the server forget what a crash would lose."""
    for name in _NOT_DURABLE:
        direct.execute(f"ALTER SYSTEM SET {name} = off")
    direct.execute("SELECT pg_reload_conf()")


def migrated_database(direct: psycopg.Connection) -> str:
    """Return the name of a database that this code has migrated, made if there is none.

    To copy it takes a tenth of the time of the migrations, for each process of the tests and each run.
    """
    name = f"{_MIGRATED}{_of_code()}"
    direct.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [_MIGRATED])  # until the connection is closed
    there = [
        one for (one,) in direct.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_MIGRATED])
    ]
    if name in there:
        return name
    for former in there:  # or what a killed run has begun
        direct.execute(f"DROP DATABASE {former}")
    direct.execute(f"CREATE DATABASE {name}_begun")
    usual, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], f"{name}_begun"
    try:
        call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual
    direct.execute(f"ALTER DATABASE {name}_begun RENAME TO {name}")
    return name


def _of_code() -> str:
    """A digest of all that migrating may depend on."""
    code = hashlib.sha256()
    for room in ("search", "imagesearch"):
        for path in sorted((settings.BASE_DIR / room).rglob("*.py")):
            code.update(f"{path}\n".encode() + path.read_bytes())
    code.update((settings.BASE_DIR / "requirements.lock").read_bytes())
    return code.hexdigest()[:16]


def empty_tables(_test: object) -> None:
    """Truncate only the tables that have rows; Django would truncate all, with all of their indexes."""
    try:
        _truncate()
    except OperationalError as error:
        # A thread of the test was about to commit, and PostgreSQL aborted this statement. Its rows go too.
        if not isinstance(error.__cause__, DeadlockDetected):
            raise
        _truncate()
    # Each of their rows stands for a table of vectors, which TRUNCATE leaves in place.
    for left in VectorSet.objects.exclude(model=identity_of(str(demo.IMAGE_MODEL))):
        drop_set(table_of(left))


def _truncate() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_which_are_full())
        if full := [name for (name,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(full)} CASCADE")


@cache
def _which_are_full() -> str:
    names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - _LASTING
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in sorted(names))
