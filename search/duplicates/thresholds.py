"""When two pictures are the same, and when they are similar shots. Measured by `manage.py evaluate_duplicates`."""

import datetime as dt

MOST_BITS = 10
"""Bits in which the perceptual hashes of the same picture may differ: re-saved, scaled, grey, recoloured."""
LIKE_ENOUGH = 0.6
"""Similarity of their vectors from which the points of two pictures are compared."""
RESEMBLES = 24
"""Bits in which the hashes of such two may differ: of the nearest that show something else, 7 of 100 differ in fewer.
To decode, find and match points takes some 10 ms a pair."""
NEAR_ENOUGH = 0.9
"""Similarity from which points are compared whatever the hashes say."""
MOST_MISSES = 3
"""Of the nearest to a picture, by how many that show something else its points are compared in vain."""
SIMILAR = 0.9
"""Similarity from which pictures that were taken soon after one another are similar shots."""
SOON = dt.timedelta(seconds=60)


def is_same_by_hash(bits: int | None) -> bool:
    return bits is not None and bits <= MOST_BITS


def may_be_same(bits: int | None, similarity: float | None) -> bool:
    """Whether their points are worth comparing; `bits` is None where one of them has no hash."""
    if similarity is None or similarity < LIKE_ENOUGH:
        return False
    return bits is None or bits <= RESEMBLES or similarity >= NEAR_ENOUGH


def is_burst(similarity: float | None, taken: dt.datetime | None, other: dt.datetime | None) -> bool:
    """Whether two pictures were taken in one place, as far as a camera's clock tells."""
    if taken is None or other is None or similarity is None:
        return False
    return similarity >= SIMILAR and abs(taken - other) <= SOON
