"""Tag suggestions of images whose files change. Needs no model."""

import uuid

from search.models.sql_statements import execute


def forget_suggestions(image_id: uuid.UUID) -> None:
    """Delete the pending suggestions of an image with other content than before, and mark all tags for comparison
    again. Call in a transaction."""
    execute("DELETE FROM search_tagsuggestion WHERE image_id = %s AND state = 'pending'", [image_id])
    # All tags: comparisons are tracked by arrival number, and this image keeps its own.
    execute("UPDATE search_tagvector SET compared = 0 WHERE compared > 0")


def hand_over_suggestions(former_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """Copy the decisions about one image's suggestions to the image that replaces it. Call in a transaction."""
    execute(
        "INSERT INTO search_tagsuggestion AS known (tag_id, image_id, state, similarity, created, decided, by_id)"
        " SELECT tag_id, %s, state, similarity, created, decided, by_id FROM search_tagsuggestion"
        " WHERE image_id = %s ORDER BY tag_id"
        " ON CONFLICT (tag_id, image_id) DO UPDATE"
        " SET state = excluded.state, decided = excluded.decided, by_id = excluded.by_id"
        " WHERE known.state = 'pending' AND excluded.state <> 'pending'",
        [image_id, former_id],
    )
