"""A guard against JPEG files that are drawn over and over.

A progressive JPEG is sent in passes, about ten of them. Nothing in the standard limits their number, each may be as
short as 139 bytes, and each goes over the whole picture: at 100 megapixels, a megabyte of them takes seven minutes.
"""

import re

from search.imaging.errors import Reason, UnreadableImage

_MOST = 100
_SOS, _EOI = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


def refuse_endless_scans(data: bytes, start: int) -> None:
    """Raise UnreadableImage where the JPEG `data` has more than 100 scans; its first begins before `start`."""
    # Cheap, and enough for nearly all; but a film appended to a photo may hold these two bytes by chance.
    if data.count(b"\xff\xda", start) < _MOST:
        return
    scans, position = 1, start
    while (match := _MARKER.search(data, position)) and data[match.end() - 1] != _EOI:
        scans += data[match.end() - 1] == _SOS
        if scans > _MOST:
            raise UnreadableImage(Reason.DAMAGED)
        length = int.from_bytes(data[match.end() : match.end() + 2], "big")
        position = match.end() + length
