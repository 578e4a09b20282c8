"""What people edit costs a third of what it did: the words of a picture, and the row itself. It takes a second for a million images.

The words of the description are taken over when the title or the tags change. They come first from now on, then those of
the title and of the tags, so that what follows is moved up by what stands before it; rows of before are right as they are.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

WORDS = """
-- The words of one kind of parts, with a place left free before each part, so that no phrase reaches across.
CREATE OR REPLACE FUNCTION image_words_parts(parts text[], weight text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    part text;
    word text;
    words text[];
    terms text[] := '{}';
    place int := 1;
BEGIN
    FOREACH part IN ARRAY parts LOOP
        words := image_words_split(part, true);
        CONTINUE WHEN cardinality(words) = 0;
        FOREACH word IN ARRAY words LOOP
            place := place + 1;
            terms := array_append(terms, '''' || replace(replace(word, '\\', '\\\\'), '''', '''''') || ''':' || place || weight);
        END LOOP;
        place := place + 1;
    END LOOP;
    RETURN array_to_string(terms, ' ')::tsvector;
END
$$;

CREATE OR REPLACE FUNCTION image_words_vector(title text, tags text[], description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN image_words_parts(ARRAY[description], 'C') || image_words_parts(ARRAY[title], 'A') || image_words_parts(tags, 'B');
END
$$;

CREATE OR REPLACE FUNCTION image_words_keep() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.description = OLD.description THEN
        IF NEW.title = OLD.title THEN
            UPDATE search_imagewords SET vector = ts_filter(vector, '{a,c}') || image_words_parts(NEW.tags, 'B')
            WHERE image_id = NEW.id;
        ELSE
            UPDATE search_imagewords SET
                vector = ts_filter(vector, '{c}') || image_words_parts(ARRAY[NEW.title], 'A') || image_words_parts(NEW.tags, 'B'),
                title = image_words_key(NEW.title)
            WHERE image_id = NEW.id;
        END IF;
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO search_imagewords (image_id, vector, title)
    VALUES (NEW.id, image_words_vector(NEW.title, NEW.tags, NEW.description), image_words_key(NEW.title))
    ON CONFLICT (image_id) DO UPDATE SET vector = EXCLUDED.vector, title = EXCLUDED.title;
    RETURN NULL;
END
$$;

DROP TRIGGER image_words_are_kept ON search_image;
CREATE TRIGGER image_words_are_kept AFTER INSERT ON search_image
FOR EACH ROW EXECUTE FUNCTION image_words_keep();
CREATE TRIGGER image_words_are_changed AFTER UPDATE OF title, tags, description ON search_image
FOR EACH ROW WHEN ((OLD.title, OLD.tags, OLD.description) IS DISTINCT FROM (NEW.title, NEW.tags, NEW.description))
EXECUTE FUNCTION image_words_keep();
"""
# The functions serve the tables of before as well.
NO_WORDS = """
DROP TRIGGER image_words_are_changed ON search_image;
DROP TRIGGER image_words_are_kept ON search_image;
CREATE TRIGGER image_words_are_kept AFTER INSERT OR UPDATE OF title, tags, description ON search_image
FOR EACH ROW EXECUTE FUNCTION image_words_keep();
"""

# Where an UPDATE touches nothing that a generated column is made of, PostgreSQL (16 to 18) reads the definitions of all
# generated columns again for each row, a third of what the row costs. It doesn't where a trigger might change the row
# before: this one never does.
GENERATED = """
CREATE TRIGGER image_definitions_are_read_once BEFORE UPDATE ON search_image
FOR EACH ROW WHEN (false) EXECUTE FUNCTION suppress_redundant_updates_trigger();
"""
NOT_GENERATED = "DROP TRIGGER image_definitions_are_read_once ON search_image;"


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('search', '0022_calibration_of_windows'),
    ]

    operations = [
        migrations.RunSQL(WORDS, NO_WORDS),
        migrations.RunSQL(GENERATED, NOT_GENERATED),
        # Most pictures were uploaded by nobody, and many have no licence.
        migrations.RemoveIndex(model_name='image', name='image_licence'),
        migrations.RemoveIndex(model_name='image', name='image_uploader'),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('hidden', False), models.Q(('licence', ''), _negated=True)), fields=['embedding_model', 'licence'], name='image_licence'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('hidden', False), ('uploader__isnull', False)), fields=['embedding_model', 'uploader'], name='image_uploader'),
        ),
        migrations.AlterField(
            model_name='image',
            name='uploader',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='images', to=settings.AUTH_USER_MODEL, verbose_name='uploaded by'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('uploader__isnull', False)), fields=['uploader'], name='image_of_uploader'),
        ),
    ]
