"""The planner statistics of PostgreSQL, which every search depends on."""

from django.db import connection

from search.models import Image, ImageWords
from search.models.sql_statements import execute

ANALYSE_FROM = 500
"""Number of pictures changed in one run after which the statistics are out of date."""


def refresh_statistics(changed: int) -> None:
    """Run ANALYZE after many changes; autovacuum would take a minute or more."""
    if changed >= ANALYSE_FROM:
        tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in (Image, ImageWords))
        execute(f"ANALYZE {tables}")
