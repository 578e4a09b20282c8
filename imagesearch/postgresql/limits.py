"""The database's connection limit, shared among the server processes before they start."""

import logging

import psycopg
from django.db import connections

from imagesearch.database_url import joined_options

logger = logging.getLogger(__name__)

LONGEST_WAIT = "10s"
"""lock_timeout of a server process."""
LONGEST_STATEMENT = "60s"
"""statement_timeout of a server process, whose threads are few."""

# Role and database may have limits of their own; -1 is none. Superusers are exempt.
_LIMIT = """
SELECT least(
    CASE WHEN NOT rolsuper THEN nullif(rolconnlimit, -1) END,
    CASE WHEN NOT rolsuper THEN nullif(datconnlimit, -1) END,
    current_setting('max_connections')::int
      - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0)
)
FROM pg_roles, pg_database WHERE rolname = session_user AND datname = current_database()
"""


def shared(limit: int, processes: int, size: int) -> tuple[int, int]:
    """Return how many processes to start, and the connections of each, within `limit` in total and `size` for each.

    A fifth, and at least the two that `embed_pending` needs, are left for commands.
    """
    for_server = max(1, limit - max(2, limit // 5))
    processes = min(processes, for_server)
    return processes, min(size, for_server // processes)


def bound_waits() -> None:
    """Set lock and statement timeouts for server processes that are not started yet.

    Commands have none. Values in DATABASE_URL take precedence.
    """
    options = connections["default"].settings_dict["OPTIONS"]
    options["options"] = joined_options(
        f"-c lock_timeout={LONGEST_WAIT} -c statement_timeout={LONGEST_STATEMENT}", options.get("options")
    )


def share_connections(processes: int) -> int:
    """Limit each of `processes`, not started yet, to its share of the connections; return how many to start.

    A process without any connection could answer nobody, while the others keep theirs.
    """
    database = connections["default"]
    pool = database.settings_dict["OPTIONS"]["pool"]
    try:
        with psycopg.connect(**database.get_connection_params()) as connection:
            row = connection.execute(_LIMIT).fetchone()
    except psycopg.Error as error:
        logger.warning("Asking the database how many connections it gives: %s", error)
        return processes
    if not row:
        return processes
    started, size = shared(row[0], processes, pool["max_size"])
    if (started, size) != (processes, pool["max_size"]):
        logger.warning(
            "The database gives %s connections: %s processes with %s each, instead of %s with %s.",
            row[0], started, size, processes, pool["max_size"],
        )  # fmt: skip
    pool["max_size"] = size
    return started
