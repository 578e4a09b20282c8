"""In-memory index of perceptual hashes: finds similar ones whatever the vectors say, as of a grey copy."""

import uuid
from collections.abc import Iterator, Sequence

import numpy as np

from search.duplicates.duplicate_thresholds import MOST_BITS
from search.models.sql_statements import fetch_all


class Hashes:
    """The hashes of all pictures outside the trash, as of its creation.

    A search takes 0.1 ms among 100,000 and grows linearly.
    """

    def __init__(self) -> None:
        rows = fetch_all(
            "SELECT image_id, perceptual FROM search_fingerprint AS its WHERE perceptual IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = its.image_id) ORDER BY image_id"
        )
        # UUIDs sort like their bytes. 24 bytes per picture.
        self._ids = np.frombuffer(b"".join(image_id.bytes for image_id, _hash in rows), "S16")
        self._hashes = np.array([number for _id, number in rows], dtype=np.int64).view(np.uint64)

    def alike(self, ids: Sequence[uuid.UUID]) -> Iterator[tuple[uuid.UUID, uuid.UUID, tuple[int, int]]]:
        """Yield, for each of these, other pictures with similar hashes, most similar first, and both hashes."""
        for image_id in ids:
            place = int(np.searchsorted(self._ids, np.bytes_(image_id.bytes)))
            if place == len(self._ids) or self._id(place) != image_id:
                continue
            apart = np.bitwise_count(self._hashes ^ self._hashes[place])
            found = np.flatnonzero(apart <= MOST_BITS)
            for other in found[np.argsort(apart[found], kind="stable")][:_MOST].tolist():
                if other != place:
                    hashes = int(self._hashes[place].view(np.int64)), int(self._hashes[other].view(np.int64))
                    yield image_id, self._id(other), hashes

    def _id(self, place: int) -> uuid.UUID:
        return uuid.UUID(bytes=self._ids[place].ljust(16, b"\0"))  # NumPy strips trailing zeros


_MOST = 100
"""Maximum number of matches per picture: chains of pairs connect the rest."""
