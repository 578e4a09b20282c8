"""Perceptual hashes and duplicate pairs of images whose files change."""

import uuid
from collections.abc import Mapping

from search.models.sql_statements import execute, fetch_value


def write_fingerprints(hashes: Mapping[uuid.UUID, int | None], *, changed: bool = False) -> None:
    """Write perceptual hashes of existing images, in the order of their ids. With `changed`, for images with other
    content than before, their pending duplicate pairs are deleted. Call in a transaction."""
    if not hashes:
        return
    ids = sorted(hashes)
    execute(
        "INSERT INTO search_fingerprint (image_id, perceptual)"
        " SELECT id, given.perceptual FROM unnest(%s::uuid[], %s::bigint[]) AS given (id, perceptual)"
        " JOIN search_image USING (id) ORDER BY id"
        " ON CONFLICT (image_id) DO UPDATE SET perceptual = EXCLUDED.perceptual, is_compared = false"
        " WHERE search_fingerprint.perceptual IS DISTINCT FROM EXCLUDED.perceptual",
        [ids, [hashes[one] for one in ids]],
    )
    if changed:
        execute("UPDATE search_fingerprint SET is_compared = false WHERE image_id = ANY(%s)", [ids])
        execute(
            "DELETE FROM search_duplicatepair WHERE state = 'pending' AND (first_id = ANY(%s) OR second_id = ANY(%s))",
            [ids, ids],
        )


def hand_over_pairs(former_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """Move the duplicate pairs of an image, found and decided, to the one that replaces it. Call in a transaction."""
    for column, other in (("first_id", "second_id"), ("second_id", "first_id")):
        execute(
            f"UPDATE search_duplicatepair AS pair SET {column} = %s WHERE {column} = %s AND {other} <> %s"  # noqa: S608 - names are ours
            " AND NOT EXISTS (SELECT FROM search_duplicatepair AS there"
            f" WHERE least(there.first_id, there.second_id) = least(%s, pair.{other})"
            f" AND greatest(there.first_id, there.second_id) = greatest(%s, pair.{other}))",
            [image_id, former_id, image_id, image_id, image_id],
        )


def compare_again() -> None:
    """Mark all pictures for comparison again, 5,000 at a time, to keep the row locks short."""
    last: uuid.UUID | None = uuid.UUID(int=0)
    while last:
        last = fetch_value(
            "WITH following AS (SELECT image_id FROM search_fingerprint WHERE image_id > %s"
            " ORDER BY image_id LIMIT 5000),"
            " changed AS (UPDATE search_fingerprint AS its SET is_compared = false FROM following"
            " WHERE its.image_id = following.image_id AND its.is_compared)"
            " SELECT (SELECT image_id FROM following ORDER BY image_id DESC LIMIT 1)",
            [last],
        )
