"""The words of a picture are taken over where they were not edited, and plain ones are told by one look. Takes no time.

Those of the title come last from now on, so that a new title moves nothing and new tags need none of the title's
letters. Rows of before are right as they are.
"""

from django.db import migrations

# Letters of English and syllables of Korean are written in one way, and what else stands between them are spaces.
WORDS = r"""
ALTER FUNCTION image_words_split(text, boolean) RENAME TO image_words_split_any;

CREATE FUNCTION image_words_split(written text, signs boolean) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    plain text := lower(written);
BEGIN
    IF length(plain) <= 250 AND plain !~ '[^a-z0-9 \uac00-\ud7a3]|^ | $|  ' THEN
        RETURN string_to_array(plain, ' ');
    END IF;
    RETURN image_words_split_any(written, signs);
END
$$;

-- Each word with its place, from the second on; an empty one leaves its place free.
CREATE OR REPLACE FUNCTION image_words_placed(words text[], weight text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    word text;
    terms text := '';
    place int := 1;
BEGIN
    FOREACH word IN ARRAY words LOOP
        place := place + 1;
        CONTINUE WHEN word = '';
        terms := terms || ' ''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':' || place || weight;
    END LOOP;
    RETURN terms::tsvector;
END
$$;

CREATE OR REPLACE FUNCTION image_words_parts(parts text[], weight text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- What would be one more space beside these two is no plain text.
    plain text := lower(array_to_string(parts, '  '));
    part text;
    words text[];
    placed text[] := '{}';
BEGIN
    IF length(plain) <= 250 AND plain !~ '[^a-z0-9 \uac00-\ud7a3]|^ | $|   '
        AND cardinality(string_to_array(plain, '  ')) = cardinality(parts) THEN
        RETURN image_words_placed(string_to_array(plain, ' '), weight);
    END IF;
    FOREACH part IN ARRAY parts LOOP
        words := image_words_split(part, true);
        IF cardinality(words) > 0 THEN
            placed := placed || words || ''::text;
        END IF;
    END LOOP;
    RETURN image_words_placed(placed, weight);
END
$$;

CREATE OR REPLACE FUNCTION image_words_vector(title text, tags text[], description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN image_words_parts(ARRAY[description], 'C') || image_words_parts(tags, 'B') || image_words_parts(ARRAY[title], 'A');
END
$$;

CREATE OR REPLACE FUNCTION image_words_keep() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    titled text[];
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.description = OLD.description THEN
        IF NEW.tags = OLD.tags THEN
            titled := image_words_split(NEW.title, true);
            UPDATE search_imagewords SET
                vector = ts_filter(vector, '{b,c}') || image_words_placed(titled, 'A'),
                title = array_to_string(titled, ' ')
            WHERE image_id = NEW.id;
        ELSIF NEW.title = OLD.title THEN
            UPDATE search_imagewords SET
                vector = ts_filter(vector, '{c}') || image_words_parts(NEW.tags, 'B')
                    || image_words_placed(string_to_array(title, ' '), 'A')
            WHERE image_id = NEW.id;
        ELSE
            titled := image_words_split(NEW.title, true);
            UPDATE search_imagewords SET
                vector = ts_filter(vector, '{c}') || image_words_parts(NEW.tags, 'B') || image_words_placed(titled, 'A'),
                title = array_to_string(titled, ' ')
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
"""

# The others serve the tables of before as well.
NO_WORDS = """
DROP FUNCTION image_words_split(text, boolean);
ALTER FUNCTION image_words_split_any(text, boolean) RENAME TO image_words_split;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0023_cheap_edits'),
    ]

    operations = [
        migrations.RunSQL(WORDS, NO_WORDS),
    ]
