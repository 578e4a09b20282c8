"""A file that changes stays one picture: its row gets the id of the new bytes, and what belongs to it goes along.

The foreign keys that follow are checked against the rows that are there, and addresses get an index: two seconds for
100,000 pictures.
"""

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

FOLLOWED = {
    "search_arrival": "arrival_of_image",
    "search_imagewords": "image_words_of_an_image",
    "search_capture": "capture_of_an_image",
}
_KEY = "ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (image_id) REFERENCES search_image (id) ON DELETE CASCADE"


def foreign_keys(follows: str) -> list[str]:
    return [
        f"ALTER TABLE {table} DROP CONSTRAINT {name}; {_KEY.format(table=table, name=name)}{follows}"
        for table, name in FOLLOWED.items()
    ]


OF_AN_IMAGE = _KEY.format(table="search_formerid", name="former_id_of_an_image") + " ON UPDATE CASCADE"

# Candidates that are remembered by their ids are remembered no longer once one of them is called otherwise.
CHANGES = """
DROP TRIGGER image_changes ON search_image;
CREATE CONSTRAINT TRIGGER image_changes AFTER UPDATE ON search_image
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT OLD.hidden AND ({more}
        NEW.hidden
        OR (OLD.embedding_model <> '' AND OLD.embedding_model <> NEW.embedding_model)
        OR (OLD.title, OLD.description, OLD.tags, OLD.licence, OLD.uploader_id, OLD.created)
            IS DISTINCT FROM (NEW.title, NEW.description, NEW.tags, NEW.licence, NEW.uploader_id, NEW.created)
        OR (OLD.format, OLD.width, OLD.height, OLD.colour)
            IS DISTINCT FROM (NEW.format, NEW.width, NEW.height, NEW.colour)
    ))
    EXECUTE FUNCTION number_change();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0026_dates_in_searches'),
    ]

    operations = [
        migrations.CreateModel(
            name='FormerId',
            fields=[
                ('former_id', models.UUIDField(primary_key=True, serialize=False)),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('image', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='former_ids', to='search.image')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ProposedRemoval',
            fields=[
                ('digest', models.UUIDField(primary_key=True, serialize=False)),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='capture',
            name='pixels',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='capture',
            name='sidecars',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='tombstone',
            name='pixels',
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name='origin',
            index=django.contrib.postgres.indexes.HashIndex(fields=['address'], name='origin_address'),
        ),
        migrations.RunSQL(OF_AN_IMAGE, migrations.RunSQL.noop),
        migrations.RunSQL(foreign_keys(" ON UPDATE CASCADE"), foreign_keys("")),
        migrations.RunSQL(CHANGES.format(more="OLD.id <> NEW.id OR"), CHANGES.format(more="")),
    ]
