"""Words are found inside words: 해수욕장 in 해운대해수욕장; and without their accents: cafe in Café.

Texts that have neither stay as they are. The others' words are written anew: how long that takes is told before.
Searches and edits go on meanwhile, and each batch is a transaction of its own; what a stopped run left is found by what
is different, and `migrate` goes on there.
"""

import sys
import time
import uuid
from typing import Any

from django.db import migrations, transaction

from search.indexing.index_building import without_limits

BATCH = 1_000
"""Images whose words are written in one transaction."""
TOLD_FROM = 5_000
"""Images; fewer are done before anybody has read how long they take."""
EACH = 10.0
"""Seconds between two words of how far it is."""
WRITTEN = 0.5e-3
"""Seconds for each image. Measured with 100,000 that have a title, five tags and a description of two sentences."""

HANGUL = r"\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
"""Korean joins nouns and particles to long words. Other scripts without spaces are taken apart into letters anyway."""
ACCENTED = r"\u00c0-\u02af\u0370-\u052f\u1e00-\u1fff"
MARKS = r"\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff"
MARKED = r"<=>\u0400-\u052f\u2190-\u2bff"
"""Letters of Cyrillic, and signs: with a mark they are others."""
KEPT_OF_AN_END = 16
"""Letters of a word's end that are kept: longer parts are looked for by their first and their last letters."""

FUNCTIONS = rf"""
ALTER FUNCTION image_words_fold(text) RENAME TO image_words_fold_accented;

-- Without accents. Those of Cyrillic make other letters (и and й), but for the dots of ё and for signs of stress.
CREATE FUNCTION image_words_fold(written text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text := image_words_fold_accented(written);
BEGIN
    IF octet_length(folded) = length(folded) OR folded !~ '[{ACCENTED}{MARKS}]' THEN
        RETURN folded;
    END IF;
    folded := normalize(folded, NFD);
    folded := regexp_replace(folded, '(?<=[аеиоуыэюя])[\u0300\u0301]|(?<=е)\u0308', '', 'g');
    folded := regexp_replace(folded, '(?<![{MARKED}])[{MARKS}]', '', 'g');
    folded := translate(normalize(folded, NFC), 'đðɖɗøɔɵłƚħŧŋɲɓɛɇɠǥɨƙƴƶ', 'ddddooollhtnnbeeggikyz');
    RETURN replace(replace(replace(folded, 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
END
$$;

-- What words of Korean end with, from each letter on, at the places of these words. The mark before them tells an end
-- from a word that is whole. Words that have letters hold nothing that is to be masked.
CREATE FUNCTION image_words_ends(words text[], weight text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    word text;
    is_pure boolean;
    ends text := '';
    place int := 1;
BEGIN
    FOREACH word IN ARRAY words LOOP
        place := place + 1;
        CONTINUE WHEN word !~ '[{HANGUL}]';
        is_pure := word !~ '[^{HANGUL}]';
        FOR start IN 2..length(word) LOOP
            -- In words of two scripts there is another word on either side of where these meet.
            CONTINUE WHEN NOT is_pure AND substr(word, start - 1, 2) !~ '[{HANGUL}]';
            ends := ends || ' ''~' || substr(word, start, {KEPT_OF_AN_END}) || ''':' || place || weight;
        END LOOP;
        -- A row of words takes 1 MB at most.
        EXIT WHEN length(ends) > 150000;
    END LOOP;
    RETURN ends;
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
    IF octet_length(terms) > length(terms) THEN
        terms := terms || image_words_ends(words, weight);
    END IF;
    RETURN terms::tsvector;
END
$$;

-- What matches a word wherever it stands in a longer one: at its end, or anywhere with an open end.
CREATE FUNCTION image_words_inside(word text, ending text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF length(word) <= {KEPT_OF_AN_END} THEN
        RETURN image_words_quote('~' || word) || ending;
    END IF;
    RETURN '(' || image_words_quote('~' || left(word, {KEPT_OF_AN_END})) || ':* & '
        || image_words_quote('~' || right(word, {KEPT_OF_AN_END})) || ending || ')';
END
$$;

-- What matches the words of a text. Those that are written together must stand in a row; with `in_a_row`, all of them.
-- With an open end they may begin inside a word of Korean, too.
CREATE OR REPLACE FUNCTION image_words_query(written text, open_ended boolean, in_a_row boolean) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- Signs count where nothing else is asked for.
    signs boolean := cardinality(image_words_split(written, false)) = 0;
    chunk text;
    words text[];
    first text;
    final text;
    ending text;
    terms text[] := '{{}}';
BEGIN
    FOREACH chunk IN ARRAY CASE WHEN in_a_row THEN ARRAY[written] ELSE string_to_array(written, ' ') END LOOP
        words := image_words_split(chunk, signs);
        CONTINUE WHEN cardinality(words) = 0;
        first := words[1];
        final := words[cardinality(words)];
        words := ARRAY(SELECT image_words_quote(word) FROM unnest(words) WITH ORDINALITY AS w (word, n) ORDER BY n);
        ending := '';
        -- A Latin letter or two begin too many words.
        IF open_ended AND (length(final) > 2 OR octet_length(final) > length(final)) THEN
            ending := ':*';
            words[cardinality(words)] := words[cardinality(words)] || ending;
        END IF;
        IF open_ended AND (length(first) > 1 OR first ~ '[{HANGUL}]') THEN
            words[1] := '(' || words[1] || ' | '
                || image_words_inside(first, CASE WHEN cardinality(words) = 1 THEN ending ELSE '' END) || ')';
        END IF;
        IF array_to_string(words, ' <-> ') <> ALL (terms) THEN
            terms := terms || array_to_string(words, ' <-> ');
        END IF;
    END LOOP;
    RETURN array_to_string(terms, ' & ')::tsquery;
END
$$;
"""
FUNCTIONS_OF_BEFORE = r"""
CREATE OR REPLACE FUNCTION image_words_query(written text, open_ended boolean, in_a_row boolean) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- Signs count where nothing else is asked for.
    signs boolean := cardinality(image_words_split(written, false)) = 0;
    chunk text;
    words text[];
    final text;
    terms text[] := '{}';
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

DROP FUNCTION image_words_inside(text, text), image_words_ends(text[], text), image_words_fold(text);
ALTER FUNCTION image_words_fold_accented(text) RENAME TO image_words_fold;
"""

TURNED_INTO = r"\u2100-\u214f\u3130-\u318f\u3200-\u327e\uffa0-\uffdc"
"""Characters that stand for such letters."""
OTHERWISE = rf"""
(image.title || ' ' || array_to_string(image.tags, ' ') || ' ' || image.description) ~ '[{HANGUL}{ACCENTED}{MARKS}{TURNED_INTO}]'
"""
"""Images that may hold other words than before."""
SELECTED = f"""
SELECT words.image_id FROM search_imagewords AS words JOIN search_image AS image ON image.id = words.image_id
WHERE words.image_id > %s AND {OTHERWISE} ORDER BY words.image_id LIMIT {BATCH}
"""
REWRITE = """
WITH anew AS MATERIALIZED (
    SELECT id, image_words_vector(title, tags, description) AS vector, image_words_key(title) AS title
    FROM search_image WHERE id = ANY(%s)
)
UPDATE search_imagewords AS words SET vector = anew.vector, title = anew.title
FROM anew WHERE words.image_id = anew.id AND (words.vector, words.title) IS DISTINCT FROM (anew.vector, anew.title)
"""
LOCKED = "SELECT image_id FROM search_imagewords WHERE image_id = ANY(%s) FOR UPDATE"


def make_functions(_apps: Any, schema_editor: Any) -> None:
    _replace(schema_editor, FUNCTIONS, are_new=False)


def make_functions_of_before(_apps: Any, schema_editor: Any) -> None:
    _replace(schema_editor, FUNCTIONS_OF_BEFORE, are_new=True)


def _replace(schema_editor: Any, functions: str, *, are_new: bool) -> None:
    connection = schema_editor.connection
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        # Whoever writes by the functions of now ends first, and is seen by what comes after this.
        cursor.execute("LOCK TABLE search_image IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("SELECT to_regprocedure('image_words_fold_accented(text)') IS NOT NULL")
        # Else a run that was stopped behind this has replaced them.
        if cursor.fetchone()[0] == are_new:
            cursor.execute(functions)


def rewrite(_apps: Any, schema_editor: Any) -> None:
    """Write the words anew of images whose words are others by the functions that are there now."""
    connection = schema_editor.connection
    with connection.cursor() as cursor, without_limits():
        cursor.execute(f"SELECT count(*) FROM search_image AS image WHERE {OTHERWISE}")
        (count,) = cursor.fetchone()
        if count:
            _rewrite_all(connection, count)
            if not connection.in_atomic_block:
                cursor.execute("VACUUM (ANALYZE) search_imagewords")


def _rewrite_all(connection: Any, count: int) -> None:
    is_told, told_at, done = count >= TOLD_FROM, time.monotonic(), 0
    if is_told:
        about = f"{max(1, round(count * WRITTEN))} s" if count * WRITTEN < 90 else f"{count * WRITTEN / 60:.0f} min"
        _say(
            f"\n    The words of {count:,} pictures are written anew: about {about}. Where it is stopped, the next "
            "`migrate` goes on."
        )
    held: list[Any] = []
    last = uuid.UUID(int=0)
    while ids := _selected(connection, last):
        written = _rewritten(connection, ids, f"{LOCKED} SKIP LOCKED")
        held += set(ids).difference(written)
        last, done = ids[-1], done + len(ids)
        if is_told and time.monotonic() > told_at + EACH:
            _say(f"{done:,} of {count:,} written")
            told_at = time.monotonic()
    # Whoever held these may have taken back what he wrote. One by one: who waits for one row while he holds others
    # may be waited for.
    for image_id in held:
        _rewritten(connection, [image_id], LOCKED)


def _selected(connection: Any, last: uuid.UUID) -> list[uuid.UUID]:
    with connection.cursor() as cursor:
        cursor.execute(SELECTED, [last])
        return [image_id for (image_id,) in cursor.fetchall()]


def _rewritten(connection: Any, ids: list[uuid.UUID], locked: str) -> list[uuid.UUID]:
    """Rewrite the words of these images, as far as they could be locked; return which those are."""
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        cursor.execute(locked, [ids])
        held = [image_id for (image_id,) in cursor.fetchall()]
        # A statement of its own: it sees what was committed until the words were locked. Whoever edits one of the
        # images from now on waits, and then writes its words.
        cursor.execute(REWRITE, [held])
    return held


def _say(text: str) -> None:
    print(f"    {text}", file=sys.stderr, flush=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("search", "0027_versions"),
    ]

    operations = [
        migrations.RunPython(make_functions, rewrite),
        migrations.RunPython(rewrite, make_functions_of_before),
    ]
