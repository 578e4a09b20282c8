"""The only place that writes people's edits together with the previous values (`revisions`), of any number of pictures
in a few statements.

A state of a picture maps names to JSON values: columns of the image and of its capture, "albums" for the ids of its
albums, "visibility" for who sees it, "trashed" for whether it is in the trash, and "edited", which maps names to
whether a person has changed them.
"""

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from django.conf import settings
from django.db import connection

from search.models.sql_statements import execute, fetch_all, fetch_column

State: TypeAlias = Mapping[str, Any]

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


class Row(NamedTuple):
    """The change of one picture: values before and after."""

    image_id: uuid.UUID
    before: State
    after: State


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
    names = {name for row in rows for name in row.after}
    after = _as_json(rows)
    if "trashed" in names:
        _move_trash(after, by)
    if "visibility" in names:
        _set_visibility(after)
    if "hidden" in names:
        _set_hidden(rows)
    if "albums" in names:
        _write_albums(after)
    if columns := names.intersection(IMAGE_COLUMNS) - {"hidden"}:
        _write_images(columns, after)
    if names.intersection(CAPTURE_COLUMNS) or "edited" in names:
        _write_captures(names, after)


def note(revision_id: int, rows: Sequence[Row]) -> None:
    """Record the changes under a revision. In the transaction that makes them."""
    names = sorted({name for row in rows for name in row.after if name != "edited"})
    execute(
        "INSERT INTO search_edit (revision_id, image_id, before, after)"
        " SELECT %s, its.key::uuid, its.value -> 0, its.value -> 1 FROM jsonb_each(%s::jsonb) AS its",
        [revision_id, json.dumps({str(row.image_id): [row.before, row.after] for row in rows})],
    )
    execute(
        "UPDATE search_revision SET count = count + %s,"
        " fields = ARRAY(SELECT DISTINCT unnest(fields || %s::varchar[]) ORDER BY 1) WHERE id = %s",
        [len(rows), names, revision_id],
    )


def _as_json(rows: Iterable[Row]) -> str:
    return json.dumps({str(row.image_id): row.after for row in rows}, ensure_ascii=False)


_GIVEN = "(SELECT key::uuid AS id, value AS after FROM jsonb_each(%s::jsonb)) AS its"


def _assignments(table: str, columns: Collection[str], expressions: Mapping[str, str]) -> list[str]:
    """Return assignments that keep the current value of pictures which don't change the column."""
    users = connection.ops.quote_name(_users())
    found = []
    for name in sorted(columns):
        column = "uploader_id" if name == "uploader" else name
        value = expressions[name].format(name, users=users)
        found.append(f"{column} = CASE WHEN its.after ? '{name}' THEN {value} ELSE {table}.{column} END")
    return found


def _users() -> str:
    return settings.AUTH_USER_MODEL.lower().replace(".", "_")


def _write_images(columns: Collection[str], after: str) -> None:
    values = ", ".join(_assignments("image", columns, IMAGE_COLUMNS))
    execute(
        f"UPDATE search_image AS image SET {values}, updated = statement_timestamp()"  # noqa: S608 - names are ours
        f" FROM {_GIVEN} WHERE image.id = its.id",
        [after],
    )


def _write_captures(names: Collection[str], after: str) -> None:
    """Write captures, and which of their fields a person has changed."""
    execute(
        f"INSERT INTO search_capture (image_id) SELECT id FROM {_GIVEN} ORDER BY id ON CONFLICT DO NOTHING",  # noqa: S608
        [after],
    )
    columns = [name for name in CAPTURE_COLUMNS if name in names]
    values = _assignments("capture", columns, CAPTURE_COLUMNS)
    if "edited" in names:
        values.append(
            "edited = ARRAY(SELECT name FROM unnest(capture.edited) AS name"
            " WHERE (its.after -> 'edited' -> name) IS NULL"
            " UNION SELECT key FROM jsonb_each(coalesce(its.after -> 'edited', '{}')) WHERE value = 'true' ORDER BY 1)"
        )
    execute(
        f"UPDATE search_capture AS capture SET {', '.join(values)} FROM {_GIVEN} WHERE capture.image_id = its.id",  # noqa: S608 - names are ours
        [after],
    )


def _write_albums(after: str) -> None:
    """Write albums: new entries are appended, by the time taken. Deleted albums are not restored."""
    left = fetch_column(
        f"DELETE FROM search_albumimage AS entry USING {_GIVEN} WHERE entry.image_id = its.id"  # noqa: S608 - names are ours
        " AND its.after ? 'albums' AND NOT its.after -> 'albums' @> to_jsonb(entry.album_id)"
        " RETURNING entry.album_id",
        [after],
    )
    # Lock one after the other, or two writers would append at the same position.
    execute(
        "SELECT id FROM search_album WHERE id IN (SELECT jsonb_array_elements(its.after -> 'albums')::bigint"  # noqa: S608
        f" FROM {_GIVEN} WHERE its.after ? 'albums') ORDER BY id FOR UPDATE",
        [after],
    )
    joined = fetch_column(
        "INSERT INTO search_albumimage (album_id, image_id, position)"  # noqa: S608 - names are ours
        " SELECT album.id, its.id,"
        " (SELECT coalesce(max(position), 0) FROM search_albumimage WHERE album_id = album.id)"
        " + row_number() OVER (PARTITION BY album.id ORDER BY capture.taken, image.created, image.id)"
        f" FROM {_GIVEN} CROSS JOIN LATERAL jsonb_array_elements(its.after -> 'albums') AS named"
        " JOIN search_album AS album ON album.id = named::bigint JOIN search_image AS image ON image.id = its.id"
        " LEFT JOIN search_capture AS capture ON capture.image_id = its.id WHERE its.after ? 'albums'"
        " ON CONFLICT DO NOTHING RETURNING album_id",
        [after],
    )
    execute("UPDATE search_album SET updated = statement_timestamp() WHERE id = ANY(%s)", [sorted({*left, *joined})])


def _set_hidden(rows: Sequence[Row]) -> None:
    """Set `hidden`; for pictures that are private or in the trash, the value to restore later."""
    for hidden in (True, False):
        ids = [row.image_id for row in rows if row.after.get("hidden") is hidden]
        if ids:
            execute("UPDATE search_private SET hidden = %s WHERE image_id = ANY(%s)", [hidden, ids])
            execute(
                "UPDATE search_trashed AS trashed SET was_hidden = %s WHERE image_id = ANY(%s)"
                " AND NOT EXISTS (SELECT FROM search_private WHERE image_id = trashed.image_id)",
                [hidden, ids],
            )
            execute(
                "UPDATE search_image AS image SET hidden = %s, updated = statement_timestamp() WHERE id = ANY(%s)"
                " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = image.id)"
                " AND NOT EXISTS (SELECT FROM search_private WHERE image_id = image.id)",
                [hidden, ids],
            )


def _set_visibility(after: str) -> None:
    """Set visibility. Private pictures are hidden meanwhile, in the trash too; their row keeps the value to
    restore."""
    private = fetch_column(
        "INSERT INTO search_private (image_id, visibility, hidden)"  # noqa: S608 - names are ours
        " SELECT image.id, its.after ->> 'visibility', coalesce(trashed.was_hidden, image.hidden)"
        f" FROM search_image AS image JOIN {_GIVEN} USING (id)"
        " LEFT JOIN search_trashed AS trashed ON trashed.image_id = image.id"
        " WHERE its.after ->> 'visibility' <> 'public' ORDER BY image.id"
        " ON CONFLICT (image_id) DO UPDATE SET visibility = excluded.visibility RETURNING image_id",
        [after],
    )
    execute("UPDATE search_trashed SET was_hidden = true WHERE image_id = ANY(%s)", [private])
    execute("UPDATE search_image SET hidden = true, updated = statement_timestamp() WHERE id = ANY(%s)", [private])
    public = fetch_all(
        f"DELETE FROM search_private USING {_GIVEN} WHERE image_id = its.id"  # noqa: S608 - names are ours
        " AND its.after ->> 'visibility' = 'public' RETURNING image_id, hidden",
        [after],
    )
    for hidden in (True, False):
        ids = [image_id for image_id, was_hidden in public if was_hidden is hidden]
        execute("UPDATE search_trashed SET was_hidden = %s WHERE image_id = ANY(%s)", [hidden, ids])
        execute(
            "UPDATE search_image AS image SET hidden = %s, updated = statement_timestamp() WHERE id = ANY(%s)"
            " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = image.id)",
            [hidden, ids],
        )


def _move_trash(after: str, by: Any) -> None:
    execute(
        "INSERT INTO search_trashed (image_id, by_id, was_hidden)"  # noqa: S608 - names are ours
        f" SELECT image.id, %s, image.hidden FROM search_image AS image JOIN {_GIVEN} USING (id)"
        " WHERE its.after -> 'trashed' = 'true' ORDER BY id ON CONFLICT DO NOTHING",
        [by.pk if by else None, after],
    )
    execute(
        f"UPDATE search_image AS image SET hidden = true, updated = statement_timestamp() FROM {_GIVEN}"  # noqa: S608 - names are ours
        " WHERE image.id = its.id AND its.after -> 'trashed' = 'true'",
        [after],
    )
    restored = fetch_all(
        f"WITH restored AS (DELETE FROM search_trashed USING {_GIVEN}"  # noqa: S608 - names are ours
        " WHERE image_id = its.id AND its.after -> 'trashed' = 'false' RETURNING image_id, was_hidden)"
        " SELECT image_id, was_hidden FROM restored",
        [after],
    )
    for hidden in (True, False):
        ids = [image_id for image_id, was_hidden in restored if was_hidden is hidden]
        if ids:
            execute(
                "UPDATE search_image SET hidden = %s, updated = statement_timestamp() WHERE id = ANY(%s)",
                [hidden, ids],
            )
