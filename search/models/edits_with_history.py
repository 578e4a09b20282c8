"""The only place that writes people's edits together with the previous values (`revisions`), of any number of pictures
in a few statements.

A state of a picture maps names to JSON values: columns of the image and of its capture, "albums" for the ids of its
albums, "visibility" for who sees it, "trashed" for whether it is in the trash, and "edited", which maps names to
whether a person has changed them.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import connection

from search.models.given_states import GIVEN, OWN, STATES, After, Row, State, changes_of
from search.models.sql_statements import execute, fetch_all, fetch_column, id_array
from search.models.words_of_many import column_of, update_with_words

_TEXT = "(its.after ->> '{0}')"
IMAGE_COLUMNS = {
    **dict.fromkeys(("title", "description", "author", "licence", "source_link"), _TEXT),
    "tags": "ARRAY(SELECT jsonb_array_elements_text(its.after -> '{0}'))",
    # A deleted user can't be restored.
    "uploader": "(SELECT id FROM {users} WHERE id = (its.after ->> '{0}')::bigint)",
    "hidden": "(its.after ->> '{0}')::boolean",
}
CAPTURE_COLUMNS = {
    "taken": _TEXT + "::timestamp",
    **dict.fromkeys(("taken_offset", "iso", "rating"), _TEXT + "::int"),
    **dict.fromkeys(("taken_from", "camera", "lens"), _TEXT),
    **dict.fromkeys(("focal_length", "aperture", "exposure", "latitude", "longitude"), _TEXT + "::float8"),
}
TOGETHER = (("taken", "taken_offset", "taken_from"), ("latitude", "longitude"))
"""Columns that only make sense together: one is never restored without the others."""


def group_of(name: str) -> tuple[str, ...]:
    """Return the columns that change together with this one, including itself."""
    return next((group for group in TOGETHER if name in group), (name,))


def difference(image_id: uuid.UUID, before: State, after: State) -> Row | None:
    """Return the differences of two states with the same names; None if there are none."""
    names = [name for name in after if name != "edited" and before[name] != after[name]]
    if not names:
        return None
    whole = [each for each in after if each != "edited" and any(each in group_of(name) for name in names)]
    marks = (before.get("edited", {}), after.get("edited", {}))
    changed = [name for name in marks[1] if bool(marks[0].get(name)) is not bool(marks[1][name])]
    noted = [{"edited": {name: bool(each.get(name)) for name in changed}} if changed else {} for each in marks]
    return Row(
        image_id,
        {name: before[name] for name in whole} | noted[0],
        {name: after[name] for name in whole} | noted[1],
    )


def write(rows: Sequence[Row], by: Any = None) -> None:
    """Set the `after` values of these pictures, whose rows are locked. Within a transaction."""
    if not rows:
        return
    after = After(rows)
    if "trashed" in after.names:
        _move_trash(after, by)
    if "visibility" in after.names:
        _set_visibility(after)
    if "hidden" in after.names:
        _set_hidden(rows)
    if "albums" in after.names:
        _write_albums(after)
    if columns := after.names.intersection(IMAGE_COLUMNS) - {"hidden"}:
        _write_images(columns, after)
    if after.names.intersection(CAPTURE_COLUMNS) or "edited" in after.names:
        _write_captures(after)


def note(revision_id: int, rows: Sequence[Row]) -> None:
    """Record the changes under a revision. In the transaction that makes them."""
    states = {id(row.after): row.after for row in rows}.values()
    names = sorted({name for state in states for name in state if name != "edited"})
    execute(
        "INSERT INTO search_edit (revision_id, image_id, before, after)"  # noqa: S608 - our own SQL
        f" SELECT %s, its.id, its.after -> 0, its.after -> 1 FROM {GIVEN}",
        [revision_id, *changes_of(rows)],
    )
    execute(
        "UPDATE search_revision SET count = count + %s,"
        " fields = ARRAY(SELECT DISTINCT unnest(fields || %s::varchar[]) ORDER BY 1) WHERE id = %s",
        [len(rows), names, revision_id],
    )


def _its(columns: Mapping[str, str], expressions: Mapping[str, str]) -> str:
    """Return the SQL of the columns of each given value."""
    users = connection.ops.quote_name(_users())
    return ", ".join(f"{expressions[name].format(name, users=users)} AS {column}" for column, name in columns.items())


def _with_its(columns: str) -> str:
    """Return a CTE `its` with each given value and its columns, read once for all pictures that get it."""
    return f"WITH its AS MATERIALIZED (SELECT {', '.join(filter(None, ['number', 'after', columns]))} FROM {STATES})"  # noqa: S608


def _columns(names: Iterable[str]) -> dict[str, str]:
    return {"uploader_id" if name == "uploader" else name: name for name in names}


def _users() -> str:
    return settings.AUTH_USER_MODEL.lower().replace(".", "_")


def _values(after: After) -> list[str]:
    ids, numbers, values = after.given
    return [values, ids, numbers]


def _write_images(names: Collection[str], after: After) -> None:
    columns = _columns(names)
    its = _its(columns, IMAGE_COLUMNS)
    update = f"UPDATE search_image AS image SET {after.assignments('image', columns)}, updated = statement_timestamp()"  # noqa: S608 - names are ours
    if column := column_of(names, after.count):
        update_with_words(column, after, its, update)
    else:
        statement = f"{_with_its(its)} {update} FROM {OWN} JOIN its USING (number) WHERE image.id = own.id"
        execute(statement, _values(after))


def _write_captures(after: After) -> None:
    """Write captures, and which of their fields a person has changed."""
    columns = _columns(name for name in CAPTURE_COLUMNS if name in after.names)
    if not columns and all(all(state["edited"].values()) for state in after.states if "edited" in state):
        execute(_MARK, _values(after))
        return
    values = [after.assignments("capture", columns)] if columns else []
    if "edited" in after.names:
        values.append(
            "edited = ARRAY(SELECT name FROM unnest(capture.edited) AS name"
            " WHERE (its.after -> 'edited' -> name) IS NULL"
            " UNION SELECT key FROM jsonb_each(coalesce(its.after -> 'edited', '{}')) WHERE value = 'true' ORDER BY 1)"
        )
    statement = (
        f"{_with_its(_its(columns, CAPTURE_COLUMNS))} UPDATE search_capture AS capture SET {', '.join(values)}"  # noqa: S608
        f" FROM {OWN} JOIN its USING (number) WHERE capture.image_id = own.id"
    )
    if execute(statement, _values(after)) < after.count:
        ids = [after.given.ids]
        execute(
            "INSERT INTO search_capture (image_id) SELECT unnest(%s::uuid[]) ORDER BY 1 ON CONFLICT DO NOTHING", ids
        )
        execute(statement, _values(after))


_MARK = f"""
WITH its AS MATERIALIZED (
    SELECT number, ARRAY(SELECT jsonb_object_keys(its.after -> 'edited') ORDER BY 1)::varchar[] AS edited
    FROM {STATES} WHERE its.after ? 'edited'
)
INSERT INTO search_capture AS capture (image_id, edited)
SELECT own.id, its.edited FROM {OWN} JOIN its USING (number) ORDER BY own.id
ON CONFLICT (image_id) DO UPDATE
SET edited = ARRAY(SELECT unnest(capture.edited) UNION SELECT unnest(excluded.edited) ORDER BY 1)
WHERE NOT capture.edited @> excluded.edited
"""  # noqa: S608 - constants


def _write_albums(after: After) -> None:
    """Write albums: new entries are appended, by the time taken. Deleted albums are not restored."""
    left = fetch_column(
        f"DELETE FROM search_albumimage AS entry USING {GIVEN} WHERE entry.image_id = its.id"  # noqa: S608 - names are ours
        " AND its.after ? 'albums' AND NOT its.after -> 'albums' @> to_jsonb(entry.album_id)"
        " RETURNING entry.album_id",
        after.given,
    )
    # Lock one after the other, or two writers would append at the same position.
    execute(
        "SELECT id FROM search_album WHERE id IN (SELECT jsonb_array_elements(its.after -> 'albums')::bigint"  # noqa: S608
        f" FROM {GIVEN} WHERE its.after ? 'albums') ORDER BY id FOR UPDATE",
        after.given,
    )
    joined = fetch_column(
        "INSERT INTO search_albumimage (album_id, image_id, position)"  # noqa: S608 - names are ours
        " SELECT album.id, its.id,"
        " (SELECT coalesce(max(position), 0) FROM search_albumimage WHERE album_id = album.id)"
        " + row_number() OVER (PARTITION BY album.id ORDER BY capture.taken, image.created, image.id)"
        f" FROM {GIVEN} CROSS JOIN LATERAL jsonb_array_elements(its.after -> 'albums') AS named"
        " JOIN search_album AS album ON album.id = named::bigint JOIN search_image AS image ON image.id = its.id"
        " LEFT JOIN search_capture AS capture ON capture.image_id = its.id WHERE its.after ? 'albums'"
        " ON CONFLICT DO NOTHING RETURNING album_id",
        after.given,
    )
    execute("UPDATE search_album SET updated = statement_timestamp() WHERE id = ANY(%s)", [sorted({*left, *joined})])


_HIDE = """
WITH private AS (
    UPDATE search_private SET hidden = %(hidden)s WHERE image_id = ANY(%(ids)s::uuid[])
), trashed AS (
    UPDATE search_trashed AS trashed SET was_hidden = %(hidden)s WHERE image_id = ANY(%(ids)s::uuid[])
    AND NOT EXISTS (SELECT FROM search_private WHERE image_id = trashed.image_id)
)
UPDATE search_image AS image SET hidden = %(hidden)s, updated = statement_timestamp()
WHERE id = ANY(%(ids)s::uuid[])
AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = image.id)
AND NOT EXISTS (SELECT FROM search_private WHERE image_id = image.id)
"""


def _set_hidden(rows: Sequence[Row]) -> None:
    """Set `hidden`; for pictures that are private or in the trash, the value to restore later."""
    for hidden in (True, False):
        ids = [row.image_id for row in rows if row.after.get("hidden") is hidden]
        if ids:
            execute(_HIDE, {"hidden": hidden, "ids": id_array(ids)})


def _set_visibility(after: After) -> None:
    """Set visibility. Private pictures are hidden meanwhile, in the trash too; their row keeps the value to
    restore."""
    private = fetch_column(
        "INSERT INTO search_private (image_id, visibility, hidden)"  # noqa: S608 - names are ours
        " SELECT image.id, its.after ->> 'visibility', coalesce(trashed.was_hidden, image.hidden)"
        f" FROM search_image AS image JOIN {GIVEN} USING (id)"
        " LEFT JOIN search_trashed AS trashed ON trashed.image_id = image.id"
        " WHERE its.after ->> 'visibility' <> 'public' ORDER BY image.id"
        " ON CONFLICT (image_id) DO UPDATE SET visibility = excluded.visibility RETURNING image_id",
        after.given,
    )
    execute("UPDATE search_trashed SET was_hidden = true WHERE image_id = ANY(%s)", [private])
    execute("UPDATE search_image SET hidden = true, updated = statement_timestamp() WHERE id = ANY(%s)", [private])
    public = fetch_all(
        f"DELETE FROM search_private USING {GIVEN} WHERE image_id = its.id"  # noqa: S608 - names are ours
        " AND its.after ->> 'visibility' = 'public' RETURNING image_id, hidden",
        after.given,
    )
    for hidden in (True, False):
        ids = [image_id for image_id, was_hidden in public if was_hidden is hidden]
        execute("UPDATE search_trashed SET was_hidden = %s WHERE image_id = ANY(%s)", [hidden, ids])
        execute(
            "UPDATE search_image AS image SET hidden = %s, updated = statement_timestamp() WHERE id = ANY(%s)"
            " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = image.id)",
            [hidden, ids],
        )


def _move_trash(after: After, by: Any) -> None:
    execute(
        "INSERT INTO search_trashed (image_id, by_id, was_hidden)"  # noqa: S608 - names are ours
        f" SELECT image.id, %s, image.hidden FROM search_image AS image JOIN {GIVEN} USING (id)"
        " WHERE its.after -> 'trashed' = 'true' ORDER BY id ON CONFLICT DO NOTHING",
        [by.pk if by else None, *after.given],
    )
    execute(
        f"UPDATE search_image AS image SET hidden = true, updated = statement_timestamp() FROM {GIVEN}"  # noqa: S608 - names are ours
        " WHERE image.id = its.id AND its.after -> 'trashed' = 'true'",
        after.given,
    )
    restored = fetch_all(
        f"WITH restored AS (DELETE FROM search_trashed USING {GIVEN}"  # noqa: S608 - names are ours
        " WHERE image_id = its.id AND its.after -> 'trashed' = 'false' RETURNING image_id, was_hidden)"
        " SELECT image_id, was_hidden FROM restored",
        after.given,
    )
    for hidden in (True, False):
        ids = [image_id for image_id, was_hidden in restored if was_hidden is hidden]
        if ids:
            execute(
                "UPDATE search_image SET hidden = %s, updated = statement_timestamp() WHERE id = ANY(%s)",
                [hidden, ids],
            )
