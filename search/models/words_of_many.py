"""The full text of many pictures whose titles or tags change, written in one statement. A trigger writes it for each
picture otherwise, by a statement of its own, and takes the words of equal tags apart again for each."""

from collections.abc import Collection

from search.models.given_states import OWN, STATES, After
from search.models.sql_statements import execute

FEWEST = 20
"""Fewer pictures are left to the trigger."""

# As the trigger `image_words_keep` does: the description comes first, the title last.
_STATE = {
    "tags": """CASE WHEN its.after ? 'tags'
        THEN image_words_parts(ARRAY(SELECT jsonb_array_elements_text(its.after -> 'tags')), 'B') END AS part""",
    "title": """image_words_placed(image_words_split(its.after ->> 'title', true), 'A') AS part,
        image_words_key(its.after ->> 'title') AS key""",
}
_WORDS = {
    "tags": """vector = ts_filter(words.vector, '{c}') || its.part
        || image_words_placed(string_to_array(words.title, ' '), 'A')""",
    "title": "vector = ts_filter(words.vector, '{b,c}') || its.part, title = its.key",
}
_MISSING = """
INSERT INTO search_imagewords (image_id, vector, title)
SELECT id, image_words_vector(title, tags, description), image_words_key(title) FROM search_image
WHERE id = ANY(%s::uuid[]) AND NOT EXISTS (SELECT FROM search_imagewords WHERE image_id = id) ON CONFLICT DO NOTHING
"""


def column_of(names: Collection[str], count: int) -> str:
    """Return the column whose words `update_with_words` can write if these columns change in this many pictures, or ""
    if they are left to the trigger."""
    changed = {"title", "tags", "description"}.intersection(names)
    return changed.pop() if count >= FEWEST and len(changed) == 1 and "description" not in changed else ""


def update_with_words(column: str, after: After, columns: str, update: str) -> None:
    """Run `update`, an UPDATE of images by the table `its` with these columns, and write the words of this column.

    The trigger stays quiet in this statement alone: the setting is the statement's time.
    """
    ids, numbers, values = after.given
    statement = f"""
    WITH its AS MATERIALIZED (SELECT number, after, {columns}, {_STATE[column]} FROM {STATES}),
    quiet AS MATERIALIZED (SELECT set_config('search.words_follow', statement_timestamp()::text, true)),
    changed AS (
        {update} FROM {OWN} JOIN its USING (number) CROSS JOIN quiet WHERE image.id = own.id
        RETURNING image.id, its.number
    )
    UPDATE search_imagewords AS words SET {_WORDS[column]} FROM changed JOIN its USING (number)
    WHERE words.image_id = changed.id AND its.part IS NOT NULL
    """  # noqa: S608 - names are ours
    if execute(statement, [values, ids, numbers]) < after.count:
        execute(_MISSING, [ids])
