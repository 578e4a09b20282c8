"""What a HEIC or AVIF file says of its primary item: whether it is turned there, and its EXIF block."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from search.imaging.boxes import Box, boxes, within

_MOST = 10_000
_LONGEST_EXIF = 2**20


class Primary(NamedTuple):
    """Of the picture that a file shows: whether the container turns or mirrors it, and the camera's EXIF block."""

    is_turned: bool
    exif: bytes


def primary(data: bytes) -> Primary:
    """Return what the container `data` says of its primary picture; nothing where it is broken."""
    for meta in within(data, (b"meta",)):
        try:
            return _primary(data, meta)
        except (struct.error, IndexError):
            break
    return Primary(is_turned=False, exif=b"")


def _primary(data: bytes, meta: Box) -> Primary:
    start = meta.start + 4  # version and flags
    inner = {box.kind: box for box in reversed(list(boxes(data, start, meta.end)))}
    is_turned = False
    if b"pitm" in inner and b"iprp" in inner:
        pitm = inner[b"pitm"].start
        item = _number(data, pitm + 4, 4 if data[pitm] else 2)
        is_turned = not {b"irot", b"imir"}.isdisjoint(_properties(data, inner[b"iprp"], item))
    exif = b""
    if b"iinf" in inner and b"iloc" in inner:
        idat = inner[b"idat"].start if b"idat" in inner else 0
        for number in _exif_items(data, inner[b"iinf"]):
            payload = _content(data, inner[b"iloc"], number, idat)
            exif = payload[4 + int.from_bytes(payload[:4], "big") :]
            break
    return Primary(is_turned, exif)


def _number(data: bytes, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size], "big")


def _properties(data: bytes, iprp: Box, item: int) -> Iterator[bytes]:
    """Yield the types of the properties of an item."""
    held = within(data, (b"ipco",), iprp.start, iprp.end)
    kinds = [box.kind for ipco in held for box in boxes(data, ipco.start, ipco.end)]
    for ipma in within(data, (b"ipma",), iprp.start, iprp.end):
        wide_item, wide_index = data[ipma.start] > 0, data[ipma.start + 3] & 1
        position = ipma.start + 8
        for _ in range(min(_number(data, ipma.start + 4, 4), _MOST)):
            found = _number(data, position, 4 if wide_item else 2)
            position += 4 if wide_item else 2
            count, size = data[position], 2 if wide_index else 1
            if found == item:
                for at in range(position + 1, position + 1 + count * size, size):
                    index = _number(data, at, size) & (0x7FFF if wide_index else 0x7F)
                    if 0 < index <= len(kinds):
                        yield kinds[index - 1]
            position += 1 + count * size


def _exif_items(data: bytes, iinf: Box) -> Iterator[int]:
    """Yield the numbers of the items that are EXIF blocks."""
    start = iinf.start + (8 if data[iinf.start] else 6)
    for entry in within(data, (b"infe",), start, iinf.end):
        version = data[entry.start]
        size = 4 if version == 3 else 2
        if version >= 2 and data[entry.start + 6 + size : entry.start + 10 + size] == b"Exif":
            yield _number(data, entry.start + 4, size)


def _content(data: bytes, iloc: Box, item: int, idat: int) -> bytes:
    """Return the first extent of an item, where it lies in this file; nothing where it doesn't."""
    version = data[iloc.start]
    offset_size, length_size = divmod(data[iloc.start + 4], 16)
    base_size, index_size = divmod(data[iloc.start + 5], 16)
    wide = 4 if version == 2 else 2
    position = iloc.start + 6 + wide
    for _ in range(min(_number(data, iloc.start + 6, wide), _MOST)):
        found = _number(data, position, wide)
        position += wide
        method = 0
        if version:
            method = _number(data, position, 2) & 15
            position += 2
        base = _number(data, position + 2, base_size)
        position += 2 + base_size
        extents = _number(data, position, 2)
        index = index_size if version else 0
        if found == item and extents and method < 2:
            at = position + 2 + index
            start = base + _number(data, at, offset_size) + (idat if method else 0)
            length = _number(data, at + offset_size, length_size)
            return bytes(data[start : start + min(length, _LONGEST_EXIF)])
        position += 2 + extents * (index + offset_size + length_size)
    return b""
