"""Makes the test database fast: nothing in it must survive a power failure, and few tables ever have rows."""

from functools import cache
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection

from search import demo
from search.embedding import identity_of
from search.models import VectorSet
from search.models.vector_sets import drop_set, table_of

_NOT_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
_LASTING = {"django_content_type", "auth_permission", "django_migrations"}
"""Tables that `migrate` fills and no test writes to; if emptied, they would have to be filled after each test."""


def wait_for_no_disk() -> None:
    """Switch off durability in the embedded server, if its data is in the data folder of the tests."""
    server = settings.DATABASES["default"]
    where = {"host": server["HOST"], "port": server["PORT"] or None, "user": server["USER"], "dbname": server["NAME"]}
    if "PASSWORD" in server:  # a server that the developer configured
        return
    with psycopg.connect(**where, autocommit=True) as direct:
        (folder,) = direct.execute("SHOW data_directory").fetchone() or ("",)
        if not Path(folder).is_relative_to(settings.DATA_DIR):
            return
        for name in _NOT_DURABLE:
            direct.execute(f"ALTER SYSTEM SET {name} = off")
        direct.execute("SELECT pg_reload_conf()")


def empty_tables(_test: object) -> None:
    """Truncate only the tables that have rows; Django would truncate all, with all of their indexes."""
    with connection.cursor() as cursor:
        cursor.execute(_which_are_full())
        if full := [name for (name,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(full)} CASCADE")
    # Each of their rows stands for a table of vectors, which TRUNCATE leaves in place.
    for left in VectorSet.objects.exclude(model=identity_of(str(demo.IMAGE_MODEL))):
        drop_set(table_of(left))


@cache
def _which_are_full() -> str:
    names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - _LASTING
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in sorted(names))
