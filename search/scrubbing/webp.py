"""WebP, animated or not: keeps the chunks of pictures, transparency, animation and the colour profile."""

import struct
from collections.abc import Iterator

from search.imaging.exif_orientation import exif_of, orientation_in
from search.scrubbing.shared_by_formats import Malformed, whole_profile

_ANIMATION, _XMP, _EXIF, _ALPHA, _PROFILE = 0x02, 0x04, 0x08, 0x10, 0x20
_PICTURE = {b"ALPH", b"VP8 ", b"VP8L"}
_FRAME_HEADER, _LOOP_HEADER = 16, 6


def scrub(data: bytes) -> bytes:
    """Return `data` without XMP, EXIF except the orientation, unknown chunks and what follows. Raises Malformed."""
    length = int.from_bytes(data[4:8], "little")
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or 8 + length > len(data):
        raise Malformed("not a whole WebP file")
    chunks = list(_chunks(data[12 : 8 + length]))
    if not any(kind in (b"VP8 ", b"VP8L", b"ANMF") for kind, _ in chunks):
        raise Malformed("no picture")
    body = _extended(chunks) if chunks[0][0] == b"VP8X" else _simple(chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _simple(chunks: list[tuple[bytes, bytes]]) -> bytes:
    kind, payload = chunks[0]
    if kind not in (b"VP8 ", b"VP8L"):
        raise Malformed("begins with something else")
    return _chunk(kind, payload)


def _extended(chunks: list[tuple[bytes, bytes]]) -> bytes:
    header = chunks[0][1]
    if len(header) != 10:
        raise Malformed("header of a wrong length")
    flags = header[0] & (_ANIMATION | _ALPHA)
    kept: list[bytes] = []
    orientation: int | None = None
    for kind, payload in chunks[1:]:
        if kind in _PICTURE or (kind == b"ANIM" and len(payload) == _LOOP_HEADER):
            kept.append(_chunk(kind, payload))
        elif kind == b"ANMF":
            kept.append(_chunk(kind, _frame(payload)))
        elif kind == b"ICCP" and not flags & _PROFILE and (profile := whole_profile(payload)):
            kept.append(_chunk(kind, profile))
            flags |= _PROFILE
        elif kind == b"EXIF" and header[0] & _EXIF and orientation is None:
            orientation = orientation_in(payload)
    if orientation is not None and orientation != 1:
        kept.append(_chunk(b"EXIF", exif_of(orientation)))
        flags |= _EXIF
    return _chunk(b"VP8X", bytes((flags, 0, 0, 0)) + header[4:]) + b"".join(kept)


def _frame(payload: bytes) -> bytes:
    if len(payload) < _FRAME_HEADER:
        raise Malformed("frame without header")
    parts = [_chunk(kind, part) for kind, part in _chunks(payload[_FRAME_HEADER:]) if kind in _PICTURE]
    return payload[:_FRAME_HEADER] + b"".join(parts)


def _chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and payload of the chunks in `body`, which they must fill."""
    position = 0
    while position < len(body):
        if position + 8 > len(body):
            raise Malformed("chunk without length")
        kind, length = struct.unpack_from("<4sI", body, position)
        if position + 8 + length > len(body):
            raise Malformed("chunk too long")
        yield kind, body[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)
