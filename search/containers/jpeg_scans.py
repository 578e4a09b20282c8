"""Scans of JPEG files: a guard against too many of them, and the repair of a missing end marker.

A progressive JPEG is sent in about ten scans. The standard doesn't limit their number, each may be as short as 139
bytes, and each covers the whole picture: at 100 megapixels, a megabyte of them takes seven minutes.
"""

import re
import zlib
from collections.abc import Callable
from io import BytesIO

from PIL.JpegImagePlugin import JpegImageFile

from search.containers.errors import Reason, UnreadableImage

Allow = Callable[[JpegImageFile], None]
_MOST = 100
_SOS, _EOI = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


def refuse_endless_scans(data: bytes, start: int) -> None:
    """Raise UnreadableImage if the JPEG `data` has more than 100 scans; its first begins before `start`."""
    # Cheap, and enough for nearly all; but a video appended to a photo may contain these two bytes by chance.
    if data.count(b"\xff\xda", start) < _MOST:
        return
    scans, position = 1, start
    while (match := _MARKER.search(data, position)) and data[match.end() - 1] != _EOI:
        scans += data[match.end() - 1] == _SOS
        if scans > _MOST:
            raise UnreadableImage(Reason.DAMAGED)
        length = int.from_bytes(data[match.end() : match.end() + 2], "big")
        position = match.end() + length


def ended(data: bytes, allow: Allow) -> bytes:
    """Return a JPEG that lacks its end marker with one. Raises UnreadableImage if samples are missing too.

    The decoder doesn't report missing samples; it draws grey instead. So the picture is decoded once more with other
    samples appended to the last scan: if the result is the same, none were missing. `allow` is called before decoding,
    and may raise.
    """
    whole = data + b"\xff\xd9"
    # Any marker in the last scan ends it, and what follows is not decoded.
    stopped = _MARKER.search(data, data.rfind(b"\xff\xda") + 2)
    if stopped or _checksum(whole, allow) != _checksum(data + _OTHER + b"\xff\xd9", allow):
        raise UnreadableImage(Reason.TRUNCATED)
    return whole


_OTHER = bytes((7 * number * number + 3 * number) % 251 for number in range(4096))
"""Bytes without a marker in them, and far from zeros."""
_ROWS = 512


def _checksum(data: bytes, allow: Allow) -> int:
    with JpegImageFile(BytesIO(data)) as file:
        allow(file)
        file.load()
        checksum = 0
        for top in range(0, file.height, _ROWS):
            checksum = zlib.crc32(file.crop((0, top, file.width, min(top + _ROWS, file.height))).tobytes(), checksum)
        return checksum
