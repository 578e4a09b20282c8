"""Short Latin words are whole ones, or more than one of a thing: car finds cars, and no card.

They were beginnings from the third letter on. Nothing that is stored changes.
"""

from django.db import migrations

HANGUL = r"\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"

FUNCTION = r"""
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
        {rule}
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
OF_BEFORE = r"""
        -- A Latin letter or two begin too many words.
        IF open_ended AND (length(final) > 2 OR octet_length(final) > length(final)) THEN
            ending := ':*';
            words[cardinality(words)] := words[cardinality(words)] || ending;
        END IF;
"""
RULE = r"""
        IF open_ended AND final ~ '^[a-z]{3,4}$' THEN
            words[cardinality(words)] := '(' || words[cardinality(words)] || ' | '
                || image_words_quote(final || CASE WHEN final ~ '(s|x|z|ch|sh)$' THEN 'es' ELSE 's' END) || ')';
        -- A Latin letter or two begin too many words.
        ELSIF open_ended AND (length(final) > 2 OR octet_length(final) > length(final)) THEN
            ending := ':*';
            words[cardinality(words)] := words[cardinality(words)] || ending;
        END IF;
"""


def function(rule: str) -> str:
    return FUNCTION.format(rule=rule.strip(), HANGUL=HANGUL)


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0047_things"),
    ]

    operations = [
        migrations.RunSQL(function(RULE), function(OF_BEFORE)),
    ]
