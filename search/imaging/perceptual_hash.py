"""A perceptual hash: similar for pictures that look alike, whatever their size, format and colours.

pHash as in ImageHash 4.3.2 (https://github.com/JohannesBuchner/imagehash, `phash`): the picture in 32x32 greys, its
cosine transform, and of the 8x8 lowest frequencies whether each is above their median.
"""

import numpy as np
from numpy.typing import NDArray

from search.imaging.thumbnails import GREY_SIDE

BITS = 64
_KEPT = 8
_FLAT = 2.0
"""Standard deviation of greys below which a picture has no hash: those of all flat pictures are similar."""


def _cosines() -> NDArray[np.float64]:
    """Return the first rows of the DCT-II matrix."""
    places = (2 * np.arange(GREY_SIDE) + 1) / (2 * GREY_SIDE)
    rows: NDArray[np.float64] = np.cos(np.pi * np.arange(_KEPT)[:, None] * places[None, :])
    return rows


_COSINES = _cosines()


def perceptual_hash(greys: bytes) -> int | None:
    """Return the 64-bit hash of a picture's greys (`search.imaging.thumbnails.greys`) as a signed integer, for
    PostgreSQL's bigint. None for a flat picture. Raises ValueError for another number of bytes."""
    pixels = np.frombuffer(greys, np.uint8).reshape(GREY_SIDE, GREY_SIDE).astype(np.float64)
    if pixels.std() < _FLAT:
        return None
    low = _COSINES @ pixels @ _COSINES.T
    bits = np.packbits((low > np.median(low)).ravel())
    return int.from_bytes(bits.tobytes(), signed=True)


def bits_apart(one: int, other: int) -> int:
    """Return the Hamming distance of two hashes, 0 to 64."""
    differing: int = ((one ^ other) & (2**BITS - 1)).bit_count()
    return differing
