"""Text that people wrote, in one form: NFC, and on one line where it is a line.

Every row is read and only those are written that need it: some seconds for 100,000 rows, and 2 to 10 ms for each that
changes, since it enters the index of the vectors anew.
"""

from collections.abc import Callable, Iterator
from typing import Any

import search.models.text_fields
from django.db import migrations

from search.text.normalization import composed, normalised_text

BATCH = 2_000


def _batches(rows: Any, *columns: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield (key, *columns) of all rows, some at a time."""
    found = list(rows.order_by("pk").values_list("pk", *columns)[:BATCH])
    while found:
        yield found
        found = list(rows.filter(pk__gt=found[-1][0]).order_by("pk").values_list("pk", *columns)[:BATCH])


def _line(limit: int) -> Callable[[str], str]:
    return lambda text: normalised_text(text)[:limit].strip()


def _prose(limit: int) -> Callable[[str], str]:
    return lambda text: composed(text)[:limit]


def _tags(tags: list[str]) -> list[str]:
    line = _line(60)
    return list(dict.fromkeys(tag for tag in map(line, tags) if tag))


def _rewrite(connection: Any, model: Any, **columns: Callable[[Any], Any]) -> None:
    settings = ", ".join(f"{column} = %s" for column in columns)
    for batch in _batches(model.objects.order_by(), *columns):
        changed = []
        for key, *before in batch:
            after = [change(value) for change, value in zip(columns.values(), before, strict=True)]
            if after != before:
                changed.append((*after, key))
        if changed:
            with connection.cursor() as cursor:
                cursor.executemany(f"UPDATE {model._meta.db_table} SET {settings} WHERE id = %s", changed)


def normalise(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    _rewrite(
        connection,
        apps.get_model("search", "Image"),
        title=_line(300),
        description=_prose(5000),
        author=_line(300),
        licence=_line(300),
        tags=_tags,
    )
    _rewrite(connection, apps.get_model("search", "Report"), details=_prose(1000))
    # What nothing is left of keeps its name: the database wants one.
    _rewrite(connection, apps.get_model("search", "SavedSearch"), name=lambda name: _line(200)(name) or name)
    _rewrite(connection, apps.get_model("search", "ApiToken"), name=lambda name: _line(100)(name) or name)


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0008_more_formats'),
    ]

    operations = [
        migrations.AlterField(
            model_name='apitoken',
            name='name',
            field=search.models.text_fields.LineField(help_text='Where you will use it, to recognise it later when you revoke tokens.', max_length=100, verbose_name='name'),
        ),
        migrations.AlterField(
            model_name='image',
            name='author',
            field=search.models.text_fields.LineField(blank=True, max_length=300, verbose_name='author'),
        ),
        migrations.AlterField(
            model_name='image',
            name='description',
            field=search.models.text_fields.ProseField(blank=True, max_length=5000, verbose_name='description'),
        ),
        migrations.AlterField(
            model_name='image',
            name='licence',
            field=search.models.text_fields.LineField(blank=True, max_length=300, verbose_name='licence'),
        ),
        migrations.AlterField(
            model_name='image',
            name='tags',
            field=search.models.text_fields.TagsField(base_field=search.models.text_fields.LineField(max_length=60), blank=True, default=list, help_text='Separated by commas.', size=50, verbose_name='tags'),
        ),
        migrations.AlterField(
            model_name='image',
            name='title',
            field=search.models.text_fields.LineField(blank=True, max_length=300, verbose_name='title'),
        ),
        migrations.AlterField(
            model_name='report',
            name='details',
            field=search.models.text_fields.ProseField(blank=True, max_length=1000, verbose_name='details'),
        ),
        migrations.AlterField(
            model_name='savedsearch',
            name='name',
            field=search.models.text_fields.LineField(max_length=200, verbose_name='name'),
        ),
        migrations.RunPython(normalise, migrations.RunPython.noop),
    ]
