"""The colours of pictures: a table beside them, filled for those that are here with their dominant colour, which is
known already; `manage.py find_colours` and servers look at the others that are in them.

A second for 100,000 pictures.
"""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

OF_AN_IMAGE = """
ALTER TABLE search_palette ADD CONSTRAINT palette_of_an_image FOREIGN KEY (image_id) REFERENCES search_image (id)
ON DELETE CASCADE ON UPDATE CASCADE
"""

# Filters join this table: each image has a row, whoever has written it.
TRIGGERS = """
CREATE FUNCTION give_colours() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO search_palette (image_id, names)
        SELECT id, ARRAY[colour, 'mostly-' || colour] FROM search_image WHERE id = NEW.id
    ON CONFLICT (image_id) DO NOTHING;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER image_has_colours AFTER INSERT ON search_image
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION give_colours();
CREATE CONSTRAINT TRIGGER palette_changes AFTER UPDATE ON search_palette
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.names IS DISTINCT FROM NEW.names)
    EXECUTE FUNCTION number_capture();
"""

NO_TRIGGERS = """
DROP TRIGGER palette_changes ON search_palette;
DROP TRIGGER image_has_colours ON search_image;
DROP FUNCTION give_colours();
"""

# The triggers first: they keep writers out until all have a row.
FILL = """
INSERT INTO search_palette (image_id, names)
SELECT id, ARRAY[colour, 'mostly-' || colour] FROM search_image ORDER BY id
"""

NAMES = (
    'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'purple', 'pink', 'brown', 'black', 'grey', 'white',
    'mostly-red', 'mostly-orange', 'mostly-yellow', 'mostly-green', 'mostly-teal', 'mostly-blue', 'mostly-purple',
    'mostly-pink', 'mostly-brown', 'mostly-black', 'mostly-grey', 'mostly-white',
)


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0045_map'),
    ]

    operations = [
        migrations.AlterField(
            model_name='run',
            name='kind',
            field=models.CharField(choices=[('ingest', 'Ingestion'), ('upload', 'Upload'), ('embed_pending', 'Computing pending vectors'), ('reembed', 'Recomputing vectors'), ('find_duplicates', 'Searching for duplicates'), ('read_metadata', 'Reading metadata'), ('find_places', 'Looking up places'), ('find_colours', 'Finding colours'), ('reconcile', 'Checking the storage')], default='ingest', editable=False, max_length=16, verbose_name='type'),
        ),
        migrations.CreateModel(
            name='Palette',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='palette', serialize=False, to='search.image')),
                ('names', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=13), db_default=[], default=list, editable=False, size=None)),
                ('swatches', models.JSONField(db_default=[], default=list, editable=False)),
                ('reader', models.SmallIntegerField(db_default=0, default=0, editable=False)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(('names__contained_by', list(NAMES))), name='palette_names_are_known')],
            },
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='palette',
            index=django.contrib.postgres.indexes.GinIndex(fields=['names'], name='palette_names'),
        ),
        migrations.AddIndex(
            model_name='palette',
            index=models.Index(condition=models.Q(('reader', 0)), fields=['image'], name='palette_not_looked_at'),
        ),
        migrations.RunSQL(OF_AN_IMAGE, migrations.RunSQL.noop),
    ]
