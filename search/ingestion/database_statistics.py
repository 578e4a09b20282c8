"""What the database knows of the number and kind of pictures, by which it plans every search."""

from django.db import connection

from search.models import Image, ImageWords

ANALYSE_FROM = 500
"""Pictures changed in one run after which what the database knows of them is out of date."""


def refresh_statistics(changed: int) -> None:
    """Have the database look anew after many changes; by itself it would notice only a minute or more later."""
    if changed >= ANALYSE_FROM:
        with connection.cursor() as cursor:
            tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in (Image, ImageWords))
            cursor.execute(f"ANALYZE {tables}")
