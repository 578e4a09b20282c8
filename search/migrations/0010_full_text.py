"""What the words of pictures are found by, in a table beside them, kept by a trigger.

PostgreSQL's own parser reads "COVID-19" as covid and -19, "AC/DC" as a path, "U.S." as a host, and takes vowel signs for
gaps. Here words are taken apart by one function, for the rows as for what is asked: whatever it does, it does to both.
It asks no locale: classes of characters and small letters are written out, as Unicode has them.

Takes some 5 s for 30,000 rows and 14 s for 100,000. Searches go on meanwhile; who adds or edits pictures waits.
"""

import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

CODES = (range(1, 0xD800), range(0xE000, 0x323B0), range(0xE0000, 0xE01F0))
"""Beyond these are no characters, or private ones: they belong to words."""
LONGEST = 250
"""Characters of a word that count: PostgreSQL takes 2 kB for one."""

# Hebrew points and Arabic vowels, which most people leave out; joiners, marks of direction, variants and complexions of
# signs, which nobody sees.
NOT_WRITTEN = [
    (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5), (0x05C7, 0x05C7),
    (0x0610, 0x061A), (0x0640, 0x0640), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC), (0x06DF, 0x06E8),
    (0x06EA, 0x06ED), (0x08D3, 0x08FF), (0x180B, 0x180F), (0xFE00, 0xFE0F), (0x1F3FB, 0x1F3FF), (0xE0100, 0xE01EF),
]  # fmt: skip
# Of scripts that write no spaces each character is a word, as is each emoji: part of a title is found too.
UNSPACED = [
    (0x0E01, 0x0E3A), (0x0E40, 0x0E4E), (0x0E80, 0x0ECF), (0x1000, 0x103F), (0x1050, 0x108F), (0x1780, 0x17D3),
    (0x3005, 0x3007), (0x3041, 0x309F), (0x30A1, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x323AF),
]  # fmt: skip
EMOJI = [(0x2300, 0x23FF), (0x2580, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF)]
APOSTROPHES = "\u02b9\u02bb\u02bc\u02bd\u02be\u02bf"


def within(character: str, ranges: list[tuple[int, int]]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


def is_left_out(character: str) -> bool:
    formats = unicodedata.category(character) in ("Cf", "Me") and character != "\u200b"
    return formats or within(character, NOT_WRITTEN)


def is_alone(character: str) -> bool:
    if within(character, EMOJI):
        return unicodedata.category(character) in ("So", "Cn")
    return within(character, UNSPACED) and unicodedata.category(character)[0] in "LMNC"


def divides(character: str) -> bool:
    kind = unicodedata.category(character)
    marked = kind[0] in "PSZ" or kind == "Cc" or character in APOSTROPHES or character == "\u200b"
    return marked and not is_alone(character)


def characters() -> Iterator[str]:
    return map(chr, chain.from_iterable(CODES))


def one_of(belongs: Callable[[str], bool]) -> str:
    """Return a regular expression's class of the characters that belong."""
    ranges: list[list[int]] = []
    for code in map(ord, filter(belongs, characters())):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in ranges) + "]"


def functions() -> str:
    """Return the SQL that makes the functions. Called when they are made: this takes longer than to import the rest."""
    # A database of the locale C knows capitals of ASCII alone.
    capitals = {one: one.lower() for one in characters() if not one.isascii() and one != one.lower()} | {"\u0130": "i"}
    return rf"""
CREATE FUNCTION image_words_fold(written text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text;
BEGIN
    IF octet_length(written) = length(written) THEN
        RETURN lower(written);
    END IF;
    -- Wide and narrow letters, ligatures and their like as plain ones; the trade mark is no part of the name before it.
    folded := normalize(translate(written, '™℠', '  '), NFKC);
    folded := lower(regexp_replace(folded, '{one_of(is_left_out)}', '', 'g'));
    IF folded ~ '{one_of(capitals.__contains__)}' THEN
        folded := translate(folded, '{"".join(capitals)}', '{"".join(capitals.values())}');
    END IF;
    -- One letter that is written in several ways, by its place or by whoever writes it.
    folded := replace(replace(folded, 'i' || chr(775), 'i'), 'ß', 'ss');
    RETURN translate(folded, 'ςıآأإٱ', 'σiاااا');
END
$$;

-- The words of a text in their order; with `signs`, where it has none, what stands there instead.
CREATE FUNCTION image_words_split(written text, signs boolean) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text := image_words_fold(written);
    parted text := folded;
BEGIN
    IF octet_length(folded) > length(folded) THEN
        parted := regexp_replace(folded, '({one_of(is_alone)})', ' \1 ', 'g');
    END IF;
    parted := btrim(regexp_replace(parted, '{one_of(divides)}+', ' ', 'g'));
    IF parted = '' AND signs THEN
        parted := btrim(regexp_replace(folded, '["“”„«»[:space:]]+', ' ', 'g'));
    END IF;
    IF length(parted) > {LONGEST} THEN
        parted := regexp_replace(parted, '([^ ]{{{LONGEST}}})[^ ]+', '\1', 'g');
    END IF;
    RETURN string_to_array(parted, ' ');
END
$$;

-- What two titles have in common that are written with the same words.
CREATE FUNCTION image_words_key(written text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN array_to_string(image_words_split(written, true), ' ');
END
$$;

CREATE FUNCTION image_words_quote(word text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT '''' || replace(replace(word, '\', '\\'), '''', '''''') || ''''
$$;

-- Between title, tags and description a place is left free, so that no phrase reaches from one into the next.
CREATE FUNCTION image_words_vector(title text, tags text[], description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (
        SELECT coalesce(string_agg(image_words_quote(word) || ':' || place || weight, ' '), '')::tsvector
        FROM (
            SELECT word, weight, row_number() OVER (ORDER BY part, number) + dense_rank() OVER (ORDER BY part) AS place
            FROM (
                SELECT 0 AS part, 'A' AS weight, title AS written
                UNION ALL SELECT part, 'B', tag FROM unnest(tags) WITH ORDINALITY AS each_tag (tag, part)
                UNION ALL SELECT 1000000, 'C', description
            ) AS parts, unnest(image_words_split(written, true)) WITH ORDINALITY AS each_word (word, number)
        ) AS placed
    );
END
$$;

-- What matches the words of a text. Those that are written together must stand in a row; with `in_a_row`, all of them.
CREATE FUNCTION image_words_query(written text, open_ended boolean, in_a_row boolean) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- Signs count where nothing else is asked for.
    signs boolean := cardinality(image_words_split(written, false)) = 0;
    chunk text;
    words text[];
    final text;
    terms text[] := '{{}}';
BEGIN
    FOREACH chunk IN ARRAY CASE WHEN in_a_row THEN ARRAY[written] ELSE string_to_array(written, ' ') END LOOP
        words := image_words_split(chunk, signs);
        CONTINUE WHEN cardinality(words) = 0;
        final := words[cardinality(words)];
        words := ARRAY(SELECT image_words_quote(word) FROM unnest(words) WITH ORDINALITY AS w (word, n) ORDER BY n);
        -- A Latin letter or two begin too many words.
        IF open_ended AND (length(final) > 2 OR octet_length(final) > length(final)) THEN
            words[cardinality(words)] := words[cardinality(words)] || ':*';
        END IF;
        IF array_to_string(words, ' <-> ') <> ALL (terms) THEN
            terms := terms || array_to_string(words, ' <-> ');
        END IF;
    END LOOP;
    RETURN array_to_string(terms, ' & ')::tsquery;
END
$$;
"""


def make_functions(_apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(functions())


# Writers wait from the trigger on, so that no row is missed.
KEPT = """
CREATE FUNCTION image_words_keep() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.title, NEW.tags, NEW.description) = (OLD.title, OLD.tags, OLD.description) THEN
        RETURN NULL;
    END IF;
    INSERT INTO search_imagewords (image_id, vector, title)
    VALUES (NEW.id, image_words_vector(NEW.title, NEW.tags, NEW.description), image_words_key(NEW.title))
    ON CONFLICT (image_id) DO UPDATE SET vector = EXCLUDED.vector, title = EXCLUDED.title;
    RETURN NULL;
END
$$;

ALTER TABLE search_imagewords ADD CONSTRAINT image_words_of_an_image
FOREIGN KEY (image_id) REFERENCES search_image (id) ON DELETE CASCADE;

CREATE TRIGGER image_words_are_kept AFTER INSERT OR UPDATE OF title, tags, description ON search_image
FOR EACH ROW EXECUTE FUNCTION image_words_keep();

INSERT INTO search_imagewords (image_id, vector, title)
SELECT id, image_words_vector(title, tags, description), image_words_key(title) FROM search_image;
"""
FORGOTTEN = """
DROP TRIGGER image_words_are_kept ON search_image;
DROP FUNCTION image_words_keep;
DROP FUNCTION image_words_query, image_words_vector, image_words_quote, image_words_key, image_words_split;
DROP FUNCTION image_words_fold;
"""
BEFORE = """
CREATE FUNCTION image_words(title text, tags text[], description text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT setweight(to_tsvector('simple', title), 'A')
        || setweight(to_tsvector('simple', array_to_string(tags, ' , ')), 'B')
        || setweight(to_tsvector('simple', description), 'C')
$$
"""

class Migration(migrations.Migration):

    dependencies = [
        ('search', '0009_text_in_nfc'),
    ]

    operations = [
        migrations.CreateModel(
            name='ImageWords',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='words', serialize=False, to='search.image')),
                ('vector', django.contrib.postgres.search.SearchVectorField()),
                ('title', models.TextField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.RunPython(make_functions, migrations.RunPython.noop),
        migrations.RunSQL(KEPT, FORGOTTEN),
        migrations.AddIndex(
            model_name='imagewords',
            index=django.contrib.postgres.indexes.GinIndex(fields=['vector'], name='image_words_vector'),
        ),
        migrations.RunSQL("ANALYZE search_imagewords", migrations.RunSQL.noop),
        # Searches wait for the end of this transaction from here on.
        migrations.RemoveIndex(
            model_name='image',
            name='image_words',
        ),
        migrations.RunSQL("DROP FUNCTION image_words(text, text[], text)", BEFORE),
    ]
