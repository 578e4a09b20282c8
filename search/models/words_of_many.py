"""The full text of many pictures whose titles or tags change, written in one statement. A trigger writes it for each
picture otherwise, by a statement of its own, and takes the words of equal tags apart again for each."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from search.models.given_states import OWN, STATES, After
from search.models.sql_statements import execute

FEWEST = 20
"""Fewer pictures are left to the trigger: it needs no further statements."""

# As the trigger `image_words_keep` does: the description comes first, the title last.
_OF_TAGS = f"""
WITH its AS MATERIALIZED (
    SELECT number, image_words_parts(ARRAY(SELECT jsonb_array_elements_text(its.after -> 'tags')), 'B') AS part
    FROM {STATES} WHERE its.after ? 'tags'
)
UPDATE search_imagewords AS words SET
    vector = ts_filter(words.vector, '{{c}}') || its.part || image_words_placed(string_to_array(words.title, ' '), 'A')
FROM {OWN} JOIN its USING (number) WHERE words.image_id = own.id
"""  # noqa: S608 - constants
_OF_TITLES = f"""
WITH its AS MATERIALIZED (
    SELECT number, array_to_string(split, ' ') AS title, image_words_placed(split, 'A') AS part FROM (
        SELECT number, image_words_split(its.after ->> 'title', true) AS split FROM {STATES} WHERE its.after ? 'title'
    ) AS titles
)
UPDATE search_imagewords AS words SET vector = ts_filter(words.vector, '{{b,c}}') || its.part, title = its.title
FROM {OWN} JOIN its USING (number) WHERE words.image_id = own.id
"""  # noqa: S608 - constants
_MISSING = """
INSERT INTO search_imagewords (image_id, vector, title)
SELECT id, image_words_vector(title, tags, description), image_words_key(title) FROM search_image
WHERE id = ANY(%s::uuid[]) ON CONFLICT DO NOTHING
"""


def column_of(names: Collection[str], count: int) -> str:
    """Return the column whose words `write_words` can write when these columns change in this many pictures; "" if
    they are left to the trigger."""
    changed = {"title", "tags", "description"}.intersection(names)
    return changed.pop() if count >= FEWEST and len(changed) == 1 and "description" not in changed else ""


@contextmanager
def without_trigger() -> Iterator[None]:
    """Write images inside without their words: `write_words` has to follow in the same transaction."""
    execute("SELECT set_config('search.words_follow', 'yes', true)")
    yield
    execute("SELECT set_config('search.words_follow', '', true)")


def write_words(column: str, after: After) -> None:
    """Write the words of these pictures, of which this column was changed."""
    ids, numbers, values = after.given
    written = execute(_OF_TAGS if column == "tags" else _OF_TITLES, [values, ids, numbers])
    if written < after.count:
        execute(_MISSING, [ids])
