"""Thresholds for duplicates and similar shots, measured with `manage.py evaluate_duplicates`."""

import datetime as dt

MOST_BITS = 10
"""Maximum Hamming distance of perceptual hashes of the same picture: re-saved, scaled, grey, recoloured."""
LIKE_ENOUGH = 0.6
"""Minimum similarity of vectors for comparing keypoints."""
RESEMBLES = 24
"""Maximum Hamming distance of hashes for comparing keypoints: of the nearest pictures that show something else, 7 of
100 are below. Decoding and matching take some 10 ms a pair."""
NEAR_ENOUGH = 0.9
"""Similarity from which keypoints are compared whatever the hashes."""
MOST_MISSES = 3
"""Number of failed keypoint comparisons after which a picture's farther neighbours are skipped."""
SIMILAR = 0.9
"""Minimum similarity of similar shots, which were also taken shortly after each other."""
SOON = dt.timedelta(seconds=60)


def is_same_by_hash(bits: int | None) -> bool:
    return bits is not None and bits <= MOST_BITS


def may_be_same(bits: int | None, similarity: float | None) -> bool:
    """Whether keypoints are worth comparing; `bits` is None if a picture has no hash."""
    if similarity is None or similarity < LIKE_ENOUGH:
        return False
    return bits is None or bits <= RESEMBLES or similarity >= NEAR_ENOUGH


def is_burst(similarity: float | None, taken: dt.datetime | None, other: dt.datetime | None) -> bool:
    """Whether two similar pictures were taken within a minute, by the camera's clock."""
    if taken is None or other is None or similarity is None:
        return False
    return similarity >= SIMILAR and abs(taken - other) <= SOON
