"""Searches go by what was read of pictures: whatever changes there is a change of the collection, as an edit is.

Functions and triggers, which take no time, and an index of what is hidden: some seconds for a million pictures.
"""

from django.db import migrations, models

NOTED = """DECLARE
    mine text := pg_current_xact_id()::text;
BEGIN
    -- Once for each transaction.
    IF current_setting('search.changed', true) IS DISTINCT FROM mine THEN
        PERFORM pg_advisory_xact_lock(7163099347811);
        INSERT INTO search_change AS known (id, number) VALUES (1, nextval('search_number'))
            ON CONFLICT (id) DO UPDATE SET number = excluded.number;
        PERFORM set_config('search.changed', mine, true);
    END IF;"""

COUNTED = f"""
-- What `number_change` did, for whoever calls it.
CREATE FUNCTION note_change() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
{NOTED}
END $$;

CREATE OR REPLACE FUNCTION number_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM note_change();
    RETURN NULL;
END $$;

CREATE FUNCTION number_capture() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- Of pictures that come in this very transaction nobody has counted anything.
    IF EXISTS (
        SELECT FROM search_arrival
        WHERE image_id = NEW.image_id AND xmin::text <> pg_current_xact_id()::xid::text
    ) THEN
        PERFORM note_change();
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER capture_comes AFTER INSERT ON search_capture
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (
        NEW.taken IS NOT NULL OR NEW.camera <> '' OR NEW.lens <> '' OR NEW.rating IS NOT NULL
        OR NEW.latitude IS NOT NULL
    )
    EXECUTE FUNCTION number_capture();
CREATE CONSTRAINT TRIGGER capture_changes AFTER UPDATE ON search_capture
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (
        (OLD.taken, OLD.taken_from, OLD.camera, OLD.lens, OLD.rating, OLD.latitude IS NULL)
        IS DISTINCT FROM (NEW.taken, NEW.taken_from, NEW.camera, NEW.lens, NEW.rating, NEW.latitude IS NULL)
    )
    EXECUTE FUNCTION number_capture();
"""

NOT_COUNTED = f"""
DROP TRIGGER capture_changes ON search_capture;
DROP TRIGGER capture_comes ON search_capture;
DROP FUNCTION number_capture();
CREATE OR REPLACE FUNCTION number_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
{NOTED}
    RETURN NULL;
END $$;
DROP FUNCTION note_change();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0025_captures'),
    ]

    operations = [
        migrations.RunSQL(COUNTED, NOT_COUNTED),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('hidden', True)), fields=['id'], name='image_hidden'),
        ),
    ]
