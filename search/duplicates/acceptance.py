"""When two pictures are the same, and when they are similar shots. Measured by `manage.py evaluate_duplicates`."""

import datetime as dt

MOST_BITS = 10
"""Bits in which the perceptual hashes of the same picture may differ: re-saved, scaled, grey, recoloured."""
LIKE_ENOUGH = 0.6
"""Similarity of their vectors from which the points of two pictures are compared."""
MOST_MISSES = 3
"""Of the nearest to a picture, by how many that show something else its points are compared in vain."""
SIMILAR = 0.9
"""Similarity from which pictures that were taken soon after one another are similar shots."""
SOON = dt.timedelta(seconds=60)


def is_same_by_hash(bits: int | None) -> bool:
    return bits is not None and bits <= MOST_BITS


def is_burst(similarity: float | None, taken: dt.datetime | None, other: dt.datetime | None) -> bool:
    """Whether two pictures were taken in one place, as far as a camera's clock tells."""
    if taken is None or other is None or similarity is None:
        return False
    return similarity >= SIMILAR and abs(taken - other) <= SOON
