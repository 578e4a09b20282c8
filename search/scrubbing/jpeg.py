"""JPEG: keeps the segments that a decoder needs, up to the end of the first picture."""

import re
import struct
from collections.abc import Iterator

from search.imaging.exif_orientation import exif_of, orientation_in
from search.scrubbing.shared_by_formats import Malformed, whole_profile

_SOI, _EOI, _SOS, _DNL = 0xD8, 0xD9, 0xDA, 0xDC
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
# Frame headers, Huffman and arithmetic tables, quantisation tables, restart interval, number of lines.
_NEEDED = {*range(0xC0, 0xC8), *range(0xC9, 0xD0), 0xDB, _DNL, 0xDD} | {_SOS}
# In the coded data 0xFF is followed by 0, or by a restart marker; anything else ends it.
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_ICC = b"ICC_PROFILE\0"
_MAX_PAYLOAD = 0xFFFF - 2


def scrub(data: bytes, orientation: int | None = None) -> bytes:
    """Return the first picture of `data` without comments, application segments and what follows it.

    Kept are JFIF without its thumbnail, the colour profile, Adobe's colour transform and an EXIF block with only the
    orientation: `orientation` if given, else that of the file. The coded picture is copied byte for byte. Raises
    Malformed.
    """
    head: list[bytes] = []
    body: list[bytes] = []
    profile: list[bytes] = []
    for marker, payload, coded in _segments(data):
        if marker == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14 and not head:
            head.append(_segment(_APP0, payload[:12] + b"\0\0"))
        elif marker == _APP1 and payload.startswith(b"Exif\0\0") and orientation is None:
            orientation = orientation_in(payload)
        elif marker == _APP2 and payload.startswith(_ICC):
            profile.append(payload[len(_ICC) :])
        elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
            body.append(_segment(_APP14, payload[:12]))
        elif marker in _NEEDED:
            body += _segment(marker, payload), coded
    if orientation is not None and orientation != 1:
        head.append(_segment(_APP1, b"Exif\0\0" + exif_of(orientation)))
    return b"".join([b"\xff\xd8", *head, *_profile_segments(profile), *body, b"\xff\xd9"])


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield marker, payload, and the coded data that follows (after SOS), up to the end of the first picture."""
    if not data.startswith(b"\xff\xd8"):
        raise Malformed("not a JPEG file")
    position, scans = 2, 0
    while True:
        marker, position = _marker(data, position)
        if marker == _EOI:
            if not scans:
                raise Malformed("no scan")
            return
        if position + 2 > len(data):
            raise Malformed("segment without length")
        (length,) = struct.unpack_from(">H", data, position)
        end = position + length
        if length < 2 or end > len(data):
            raise Malformed("segment too long")
        payload, coded = data[position + 2 : end], b""
        if marker == _SOS:
            scans += 1
            stop = _END_OF_SCAN.search(data, end)
            if stop is None:
                raise Malformed("scan without end")
            coded, end = data[end : stop.start()], stop.start()
        yield marker, payload, coded
        position = end


def _marker(data: bytes, position: int) -> tuple[int, int]:
    """Return the marker at `position` and the offset of its segment. Fill bytes before it are allowed."""
    if data[position : position + 1] != b"\xff":
        raise Malformed("no marker")
    while data[position : position + 1] == b"\xff":
        position += 1
    if position >= len(data):
        raise Malformed("cut short")
    marker = data[position]
    if marker in (0x00, 0x01, _SOI) or 0xD0 <= marker <= 0xD7:
        raise Malformed("marker out of place")
    return marker, position + 1


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _profile_segments(parts: list[bytes]) -> list[bytes]:
    """Return segments for the colour profile, joined from its numbered parts and split again; none if it is
    incomplete."""
    numbered = {part[0]: part[2:] for part in parts if len(part) > 2}
    if sorted(numbered) != list(range(1, len(parts) + 1)):
        return []
    profile = whole_profile(b"".join(numbered[number] for number in sorted(numbered)))
    if profile is None:
        return []
    room = _MAX_PAYLOAD - len(_ICC) - 2
    pieces = [profile[start : start + room] for start in range(0, len(profile), room)]
    return [
        _segment(_APP2, _ICC + bytes((number, len(pieces))) + piece) for number, piece in enumerate(pieces, start=1)
    ]
