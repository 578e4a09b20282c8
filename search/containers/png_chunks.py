"""PNG files without unneeded chunks: decoders inflate texts, and refuse a file for a wrong checksum in one."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DRAWN = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_LONGEST_PROFILE = 2**22


class Chunk(NamedTuple):
    """A chunk: its type and the offsets of its content. Its length is 8 bytes before `start`, its checksum at
    `end`."""

    kind: bytes
    start: int
    end: int

    @property
    def is_critical(self) -> bool:
        """Whether the picture can't be drawn without it: the first letter of its type is a capital."""
        return not self.kind[0] & 0x20

    def is_whole(self, data: bytes) -> bool:
        """Whether the checksum is right."""
        checksum = zlib.crc32(memoryview(data)[self.start - 4 : self.end])
        return checksum == int.from_bytes(data[self.end : self.end + 4], "big")


class Plain(NamedTuple):
    """A PNG file of only what drawing needs, and its colour profile, decompressed."""

    data: bytes
    profile: bytes | None


def chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file up to IEND, or up to the first truncated one."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        yield Chunk(kind, position + 8, end)
        if kind == b"IEND":
            return
        position = end + 4


def plain(data: bytes) -> Plain:
    """Return the PNG `data` without texts, private chunks, and damaged chunks that are not critical."""
    kept: list[memoryview] = []
    view, position, profile = memoryview(data), 0, None
    animated = all(chunk.is_whole(data) for chunk in chunks(data) if chunk.kind in _ANIMATION)
    for chunk in chunks(data):
        if chunk.kind == b"iCCP" and profile is None and chunk.is_whole(data):
            profile = unpacked_profile(data[chunk.start : chunk.end])
        if not _is_needed(data, chunk, animated):
            kept.append(view[position : chunk.start - 8])
            position = chunk.end + 4
    return Plain(b"".join([*kept, view[position:]]) if kept else data, profile)


def _is_needed(data: bytes, chunk: Chunk, animated: bool) -> bool:
    if chunk.kind in _ANIMATION:
        return animated
    return chunk.is_critical or (chunk.kind in _DRAWN and chunk.is_whole(data))


def unpacked_profile(payload: bytes, longest: int = _LONGEST_PROFILE) -> bytes | None:
    """Return the decompressed colour profile of an iCCP chunk; None if it is broken, or over `longest` bytes."""
    _name, _, packed = payload.partition(b"\0")
    decompressor = zlib.decompressobj()
    try:
        profile = decompressor.decompress(packed[1:], longest)
    except zlib.error:
        return None
    return None if decompressor.unconsumed_tail or not profile else profile
