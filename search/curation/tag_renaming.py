"""Rename a tag on all pictures that have it, in one statement."""

from collections.abc import Collection
from typing import Any

from django.db import transaction

from search.curation.admin_log import log_revision
from search.models import Revision
from search.models.conflicts import wait_briefly
from search.models.sql_statements import fetch_value

# The same as `search.models.editing` writes for each picture: states before and after, and the mark for edited tags.
# If several tags become one, the first position is kept.
_RETAG = """
WITH there AS MATERIALIZED (
    SELECT image.id, image.tags AS before, coalesce('tags' = ANY(capture.edited), false) AS was_edited, ARRAY(
        SELECT CASE WHEN its.is_one THEN %(name)s ELSE its.tag END FROM (
            SELECT tag, place, tag = ANY(%(all)s) AS is_one,
                row_number() OVER (PARTITION BY tag = ANY(%(all)s) ORDER BY place) AS number
            FROM unnest(image.tags) WITH ORDINALITY AS own (tag, place)
        ) AS its WHERE NOT its.is_one OR its.number = 1 ORDER BY its.place
    )::varchar[] AS after
    FROM search_image AS image LEFT JOIN search_capture AS capture ON capture.image_id = image.id
    WHERE image.tags && %(all)s::varchar[]
    ORDER BY image.id FOR UPDATE OF image
), changed AS (
    UPDATE search_image AS image SET tags = there.after, updated = statement_timestamp()
    FROM there WHERE image.id = there.id AND there.before <> there.after
    RETURNING image.id, there.before, there.after, there.was_edited
), marked AS (
    INSERT INTO search_capture AS capture (image_id, edited) SELECT id, ARRAY['tags'] FROM changed ORDER BY id
    ON CONFLICT (image_id) DO UPDATE SET edited = ARRAY(SELECT unnest(capture.edited) UNION SELECT 'tags' ORDER BY 1)
    WHERE NOT 'tags' = ANY(capture.edited)
), noted AS (
    INSERT INTO search_edit (revision_id, image_id, before, after)
    SELECT %(revision)s, id,
        jsonb_build_object('tags', before)
            || CASE WHEN was_edited THEN '{}'::jsonb ELSE '{"edited": {"tags": false}}' END,
        jsonb_build_object('tags', after)
            || CASE WHEN was_edited THEN '{}'::jsonb ELSE '{"edited": {"tags": true}}' END
    FROM changed
)
UPDATE search_revision SET count = (SELECT count(*) FROM changed), fields = ARRAY['tags'] WHERE id = %(revision)s
RETURNING count
"""


@transaction.atomic
def retag(former: Collection[str], name: str, *, by: Any = None, door: str = Revision.Door.ELSEWHERE) -> Revision:
    """Replace these tags, in exactly this spelling, by `name` on all pictures, including the trash; return the
    revision, which is unsaved (no pk) if nothing changed.

    Raises the lock errors of `search.models.conflicts`.
    """
    former = [tag for tag in former if tag != name]
    revision = Revision(kind=Revision.Kind.RETAG, by=by, door=door, given={"tags": [name], "former": former})
    if not former:
        return revision
    wait_briefly()
    revision.save(force_insert=True)
    revision.count = fetch_value(_RETAG, {"all": [*former, name], "name": name, "revision": revision.pk})
    if revision.count:
        revision.fields = ["tags"]
        log_revision(revision)
    else:
        revision.delete()
    return revision
