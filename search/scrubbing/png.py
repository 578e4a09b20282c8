"""PNG, animated or not: keeps the chunks that drawing needs."""

import struct
import zlib
from collections.abc import Iterator

from search.containers.png_chunks import unpacked_profile
from search.imaging.exif_orientation import exif_of, orientation_in
from search.scrubbing.shared_by_formats import Malformed, whole_profile

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_PROFILE = 16 * 1024 * 1024

# Chunks that are kept, and their allowed lengths in bytes. Text, time and private chunks are not here.
_KEPT: dict[bytes, range] = {
    b"IHDR": range(13, 14),
    b"PLTE": range(3, 769),
    b"tRNS": range(1, 257),
    b"gAMA": range(4, 5),
    b"cHRM": range(32, 33),
    b"sRGB": range(1, 2),
    b"cICP": range(4, 5),
    b"mDCV": range(24, 25),
    b"cLLI": range(8, 9),
    b"sBIT": range(1, 5),
    b"bKGD": range(1, 7),
    b"pHYs": range(9, 10),
    b"acTL": range(8, 9),
    b"fcTL": range(26, 27),
    b"IDAT": range(2**31),
    b"fdAT": range(4, 2**31),
}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_MANY = {b"IDAT", b"fdAT", b"fcTL"}


def scrub(data: bytes) -> bytes:
    """Return `data` without chunks that drawing does not need, and without what follows the end.

    An EXIF chunk is replaced by one with only the orientation. Raises Malformed.
    """
    kept: list[bytes] = []
    seen: set[bytes] = set()
    orientation = 1
    for kind, payload in _chunks(data):
        if kind in seen and kind not in _MANY:
            continue
        seen.add(kind)
        if kind == b"eXIf":
            orientation = orientation_in(payload)
        elif kind == b"iCCP":
            kept += _profile(payload)
        elif len(payload) in _KEPT.get(kind, ()):
            kept.append(_chunk(kind, payload))
        elif not kind[0] & 0x20:  # a capital first letter: can't be drawn without it
            raise Malformed("unknown critical chunk")
    if b"IDAT" not in seen:
        raise Malformed("no picture")
    if orientation != 1:
        kept.insert(1, _chunk(b"eXIf", exif_of(orientation)))
    return b"".join([_SIGNATURE, *kept, _chunk(b"IEND", b"")])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and payload of each chunk before IEND; the first must be IHDR.

    A chunk with a wrong checksum is skipped if the picture can be drawn without it.
    """
    if not data.startswith(_SIGNATURE):
        raise Malformed("not a PNG file")
    position, first = len(_SIGNATURE), True
    while True:
        if position + 12 > len(data):
            raise Malformed("cut short")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data) or first != (kind == b"IHDR"):
            raise Malformed("chunk too long or out of place")
        payload = data[position + 8 : end]
        if zlib.crc32(payload, zlib.crc32(kind)) != int.from_bytes(data[end : end + 4], "big"):
            if not kind[0] & 0x20 or kind in _ANIMATION:
                raise Malformed("wrong checksum")
        elif kind == b"IEND":
            return
        else:
            yield kind, payload
        position, first = end + 4, False


def _chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(kind))
    return struct.pack(">I4s", len(payload), kind) + payload + struct.pack(">I", checksum)


def _profile(payload: bytes) -> list[bytes]:
    """Compress a colour profile again, under a neutral name; nothing if it is incomplete."""
    unpacked = unpacked_profile(payload, _MAX_PROFILE)
    profile = unpacked and whole_profile(unpacked)
    return [_chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))] if profile else []
