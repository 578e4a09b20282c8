"""EXIF, XMP and Photoshop resources in a JPEG: in segments of at most 64 kB, or split over several."""

from collections.abc import Iterator
from dataclasses import dataclass

from search.metadata.xmp import LONGEST_XMP

EXIF_SEGMENT, XMP_SEGMENT = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_GOES_ON = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_APP1, _APP13, _SCAN, _END = 0xE1, 0xED, 0xDA, 0xD9
_MOST_SEGMENTS = 10_000
_MOST_PACKETS = 4
_LONGEST_RESOURCES = 4_000_000


@dataclass
class JpegBlocks:
    """The blocks of a JPEG: EXIF with its prefix, the XMP packet and its extension, Photoshop's resources. `is_whole`
    is False where the data end before the first scan."""

    exif: bytes = b""
    xmp: bytes = b""
    more_xmp: bytes = b""
    resources: bytes = b""
    is_whole: bool = False


def blocks_of_jpeg(data: bytes) -> JpegBlocks:
    """Return the blocks of a JPEG, or of its beginning. Never raises."""
    found, resources, extension = JpegBlocks(), bytearray(), _Extension()
    for marker, content in _segments(data, found):
        if marker == _APP13:
            if content.startswith(_PHOTOSHOP) and len(resources) < _LONGEST_RESOURCES:
                resources += content[len(_PHOTOSHOP) :]  # longer resources continue in the next segment
        elif content.startswith(EXIF_SEGMENT):
            found.exif = found.exif or content
        elif content.startswith(XMP_SEGMENT):
            found.xmp = found.xmp or content[len(XMP_SEGMENT) :]
        elif content.startswith(_XMP_GOES_ON):
            extension.take(content[len(_XMP_GOES_ON) :])
    found.resources, found.more_xmp = bytes(resources), extension.of(found.xmp)
    return found


def _segments(data: bytes, found: JpegBlocks) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of the segments that may contain metadata."""
    position = 2
    for _ in range(_MOST_SEGMENTS):
        if position + 4 > len(data):
            return
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (_SCAN, _END):
            found.is_whole = True
            return
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 0x01:
            position += 1 if marker == 0xFF else 2
            continue
        start, end = position + 4, position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in (_APP1, _APP13):
            yield marker, data[start:end]
        position = max(end, start)


class _Extension:
    """Extended XMP, too long for one segment: a packet in chunks, each with the packet's id, its length, and its own
    offset."""

    def __init__(self) -> None:
        self._packets: dict[bytes, bytearray] = {}

    def take(self, piece: bytes) -> None:
        name, length, start = piece[:32], int.from_bytes(piece[32:36], "big"), int.from_bytes(piece[36:40], "big")
        # Longer packets contain depth maps and second pictures.
        if length > LONGEST_XMP or (len(self._packets) >= _MOST_PACKETS and name not in self._packets):
            return
        packet = self._packets.setdefault(name, bytearray(length))
        part = piece[40 : 40 + max(0, len(packet) - start)]
        packet[start : start + len(part)] = part

    def of(self, packet: bytes) -> bytes:
        """Return the extension that `packet` refers to, or b""."""
        return next((bytes(more) for name, more in self._packets.items() if name in packet), b"")
