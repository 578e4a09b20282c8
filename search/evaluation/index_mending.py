"""Build the index of the vectors anew, or rid the table of dead rows, while people search and add."""

from django.db import connection

from search.evaluation.index_health import index_options, vector_index
from search.models import Image


def rebuild_index() -> None:
    """Build the index with the parameters of this version. The old one, where it is of use, serves until the end.

    An interrupted one leaves nothing that is used, and the next one removes what it left.
    """
    index = vector_index()
    with connection.cursor() as cursor:
        for name in _leftovers():
            cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [index.name])
        [is_there] = cursor.fetchone()
        if is_there:
            parameters = ", ".join(f"{name} = {value}" for name, value in index_options().items())
            cursor.execute(f'ALTER INDEX "{index.name}" SET ({parameters})')
            cursor.execute(f'REINDEX INDEX CONCURRENTLY "{index.name}"')
            return
    with connection.schema_editor(atomic=False) as editor:
        editor.add_index(Image, index)


def vacuum() -> None:
    """Remove dead rows from the table and its indexes, and count what is there."""
    with connection.cursor() as cursor:
        cursor.execute(f'VACUUM (ANALYZE) "{Image._meta.db_table}"')


def _leftovers() -> list[str]:
    """Indexes that an interrupted `REINDEX CONCURRENTLY` was making or replacing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = %s::regclass "
            "AND starts_with(relname, %s) AND NOT indisvalid",
            [Image._meta.db_table, f"{vector_index().name}_cc"],
        )
        return [name for (name,) in cursor.fetchall()]
