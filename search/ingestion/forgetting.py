"""What becomes of suggestions when a file changes. For those who write pictures: nothing here asks for a model."""

import uuid

from django.db import connection


def forget_suggestions(image_id: uuid.UUID) -> None:
    """Forget what nobody has decided of an image that shows something else now, and have all compared anew. In a
    transaction."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM search_tagsuggestion WHERE image_id = %s AND state = 'pending'", [image_id])
        # Not it alone: what was compared is known by numbers of arrival, and it keeps its own.
        cursor.execute("UPDATE search_tagvector SET compared = 0 WHERE compared > 0")


def hand_over_suggestions(former_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """Have what people decided of one image be so of another one, which takes its place. In a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO search_tagsuggestion AS known (tag_id, image_id, state, similarity, created, decided, by_id)"
            " SELECT tag_id, %s, state, similarity, created, decided, by_id FROM search_tagsuggestion"
            " WHERE image_id = %s ORDER BY tag_id"
            " ON CONFLICT (tag_id, image_id) DO UPDATE"
            " SET state = excluded.state, decided = excluded.decided, by_id = excluded.by_id"
            " WHERE known.state = 'pending' AND excluded.state <> 'pending'",
            [image_id, former_id],
        )
