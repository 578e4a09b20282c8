"""Reads and writes the one EXIF field that decoding needs: the orientation.

Pillow's EXIF reader raises for broken blocks and also trusts XMP, which browsers do not. This one reads a single tag
and can't fail.
"""

import struct
from itertools import islice

from PIL.Image import Transpose

_ORIENTATION = 0x0112
_SHORT = 3
_PREFIX = b"Exif\0\0"

# The transposition that makes a stored picture upright; 1, upright already, has no entry.
UPRIGHT: dict[int, Transpose] = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def orientation_in(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in an EXIF block with or without its "Exif" prefix; 1 if unclear."""
    tiff = exif.removeprefix(_PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    try:
        if order is None:
            return 1
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        entries = struct.iter_unpack(order + "HHIHxx", tiff[directory + 2 : directory + 2 + 12 * count])
        # Entries are sorted by tag; their number is at most 65,535.
        for tag, kind, length, value in islice(entries, count):
            if tag == _ORIENTATION:
                return value if kind == _SHORT and length == 1 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def exif_of(orientation: int) -> bytes:
    """Return the smallest EXIF block (TIFF, without the "Exif" prefix) with `orientation`, 1 to 8."""
    return struct.pack(">2sHIHHHIHxxI", b"MM", 42, 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0)
