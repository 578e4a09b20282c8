"""The order in which pictures became visible, kept by triggers, and how far each saved search was seen.

Pictures that are there are numbered in the order in which they were added: a second for 100,000.
"""

import django.db.models.deletion
from django.db import migrations, models

# The lock is held until the transaction has ended and others see what it did. Numbers are therefore given in the order in
# which they come to be seen. The row is looked at again: since the event it may have been hidden or deleted.
TRIGGERS = """
CREATE SEQUENCE search_number;

CREATE FUNCTION number_arrival() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    again boolean := TG_OP = 'UPDATE' AND NOT OLD.hidden;
    number bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7163099347811);
    number := nextval('search_number');
    INSERT INTO search_arrival AS known (image_id, shown, searchable, moment)
        SELECT id, number, CASE WHEN embedding_model <> '' THEN number END, clock_timestamp()
        FROM search_image WHERE id = NEW.id AND NOT hidden
    ON CONFLICT (image_id) DO UPDATE SET
        shown = CASE WHEN again THEN known.shown ELSE excluded.shown END,
        searchable = excluded.searchable,
        moment = excluded.moment;
    RETURN NULL;
END $$;

CREATE FUNCTION number_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    mine text := pg_current_xact_id()::text;
BEGIN
    -- Once for each transaction.
    IF current_setting('search.changed', true) IS DISTINCT FROM mine THEN
        PERFORM pg_advisory_xact_lock(7163099347811);
        INSERT INTO search_change AS known (id, number) VALUES (1, nextval('search_number'))
            ON CONFLICT (id) DO UPDATE SET number = excluded.number;
        PERFORM set_config('search.changed', mine, true);
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER image_arrives AFTER INSERT ON search_image
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.hidden)
    EXECUTE FUNCTION number_arrival();
CREATE CONSTRAINT TRIGGER image_is_shown AFTER UPDATE OF hidden, embedding_model ON search_image
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT NEW.hidden AND (OLD.hidden OR (OLD.embedding_model = '' AND NEW.embedding_model <> '')))
    EXECUTE FUNCTION number_arrival();
CREATE CONSTRAINT TRIGGER image_goes AFTER DELETE ON search_image
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT OLD.hidden)
    EXECUTE FUNCTION number_change();
CREATE CONSTRAINT TRIGGER image_changes AFTER UPDATE ON search_image
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT OLD.hidden AND (
        NEW.hidden
        OR (OLD.embedding_model <> '' AND OLD.embedding_model <> NEW.embedding_model)
        OR (OLD.title, OLD.description, OLD.tags, OLD.licence, OLD.uploader_id, OLD.created)
            IS DISTINCT FROM (NEW.title, NEW.description, NEW.tags, NEW.licence, NEW.uploader_id, NEW.created)
        OR (OLD.format, OLD.width, OLD.height, OLD.colour)
            IS DISTINCT FROM (NEW.format, NEW.width, NEW.height, NEW.colour)
    ))
    EXECUTE FUNCTION number_change();
"""

NO_TRIGGERS = """
DROP TRIGGER image_changes ON search_image;
DROP TRIGGER image_goes ON search_image;
DROP TRIGGER image_is_shown ON search_image;
DROP TRIGGER image_arrives ON search_image;
DROP FUNCTION number_change();
DROP FUNCTION number_arrival();
DROP SEQUENCE search_number;
"""

GOES_WITH_ITS_PICTURE = """
ALTER TABLE search_arrival ADD CONSTRAINT arrival_of_image
    FOREIGN KEY (image_id) REFERENCES search_image ON DELETE CASCADE
"""

# Numbers in the order of `created`. The sequence goes on behind them.
NUMBER_WHAT_IS_THERE = """
INSERT INTO search_arrival (image_id, shown, searchable, moment)
    SELECT id, number, CASE WHEN embedding_model <> '' THEN number END, created
    FROM (
        SELECT id, embedding_model, created, row_number() OVER (ORDER BY created, id) AS number
        FROM search_image WHERE NOT hidden
    ) AS image;
SELECT setval('search_number', greatest(1, (SELECT count(*) FROM search_arrival)));
UPDATE search_savedsearch SET told_to = (
    SELECT count(*) FROM search_image WHERE NOT hidden AND created <= last_seen
);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0010_full_text'),
    ]

    operations = [
        migrations.CreateModel(
            name='Arrival',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='arrival', serialize=False, to='search.image')),
                ('shown', models.BigIntegerField(unique=True)),
                ('searchable', models.BigIntegerField(null=True, unique=True)),
                ('moment', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Change',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='savedsearch',
            name='told_to',
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='savedsearch',
            name='feed_digest',
            field=models.CharField(blank=True, db_default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='savedsearch',
            name='feed_modified',
            field=models.DateTimeField(editable=False, null=True),
        ),
        # The triggers first: they keep writers out until all is numbered.
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.RunSQL(NUMBER_WHAT_IS_THERE, migrations.RunSQL.noop),
        migrations.RunSQL(GOES_WITH_ITS_PICTURE, migrations.RunSQL.noop),
    ]
