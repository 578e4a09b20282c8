"""Derive decisions on tag suggestions from tagging: adding a suggested tag accepts it, removing it rejects it,
wherever that is done."""

import uuid
from collections.abc import Collection, Iterable, Sequence

from search.models import Revision
from search.models.given_states import Row
from search.models.sql_statements import execute, fetch_all

_GIVEN = "(SELECT * FROM unnest(%s::uuid[], %s::bigint[]) AS pair (image_id, tag_id)) AS given"
_DECIDE = f"""
UPDATE search_tagsuggestion AS its SET decided = statement_timestamp(), by_id = %s, {{}}
FROM {_GIVEN} WHERE its.image_id = given.image_id AND its.tag_id = given.tag_id AND {{}}
"""  # noqa: S608 - constants
_ACCEPT = _DECIDE.format("was_rejected = its.state = 'rejected', state = 'accepted'", "its.state <> 'accepted'")
_TAKE_BACK = _DECIDE.format(
    "state = CASE WHEN its.was_rejected THEN 'rejected' ELSE 'pending' END, was_rejected = false",
    "its.state = 'accepted'",
)
_REJECT = f"""
INSERT INTO search_tagsuggestion AS its (image_id, tag_id, state, decided, by_id)
SELECT image_id, tag_id, 'rejected', statement_timestamp(), %s FROM {_GIVEN} ORDER BY image_id, tag_id
ON CONFLICT (tag_id, image_id) DO UPDATE
SET state = excluded.state, decided = excluded.decided, by_id = excluded.by_id, was_rejected = false
WHERE its.state <> 'rejected'
"""  # noqa: S608 - constants

_Pairs = tuple[list[uuid.UUID], list[int]]


def update_suggestions(rows: Collection[Row], revision: Revision) -> None:
    """Update the suggestions of these images after a revision has changed their tags. Call in the same transaction.

    An undo takes decisions back: the tag is pending again, or rejected if it was before.
    """
    changed = [row for row in rows if "tags" in row.after]
    distinct = {(id(row.before), id(row.after)): row for row in changed}.values()
    known = _known_tags({tag for row in distinct for tag in (*row.before["tags"], *row.after["tags"])})
    if not known:
        return
    came, gone = _pairs(changed, known)
    by = revision.by_id
    if came[0]:
        execute(_ACCEPT, [by, *came])
    if gone[0] and revision.kind == Revision.Kind.UNDO:
        execute(_TAKE_BACK, [by, *gone])
    elif gone[0]:
        execute(_REJECT, [by, *gone])


def _known_tags(tags: Iterable[str]) -> dict[str, int]:
    """Return the ids of vocabulary tags that can be suggested, by lower-case name."""
    folded = {tag.lower() for tag in tags}
    if not folded:
        return {}
    return dict(
        fetch_all(
            "SELECT lower(called.name), tag.id FROM search_vocabularytag AS tag,"
            " unnest(ARRAY[tag.name, tag.english, tag.korean] || tag.aliases) AS called (name)"
            " WHERE tag.phrase <> '' AND lower(called.name) = ANY(%s)",
            [list(folded)],
        )
    )


def _pairs(rows: Sequence[Row], known: dict[str, int]) -> tuple[_Pairs, _Pairs]:
    """Return (image, tag) pairs of tags added, and of tags removed."""
    came: _Pairs = ([], [])
    gone: _Pairs = ([], [])
    for row in sorted(rows, key=lambda row: row.image_id):
        before, after = (
            {known[tag.lower()] for tag in state["tags"] if tag.lower() in known} for state in (row.before, row.after)
        )
        for pairs, tags in ((came, after - before), (gone, before - after)):
            pairs[0].extend([row.image_id] * len(tags))
            pairs[1].extend(sorted(tags))
    return came, gone
