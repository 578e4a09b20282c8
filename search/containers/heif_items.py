"""Metadata of the primary item of a HEIC or AVIF file: rotation, EXIF block and XMP packet."""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from search.containers.boxes import Box, boxes, within

_MOST = 10_000
_LONGEST_EXIF = 2**20


class Described(NamedTuple):
    """The camera's EXIF block and an XMP packet. `is_whole` is False where the file was cut before their end."""

    exif: bytes = b""
    xmp: bytes = b""
    is_whole: bool = True


class Primary(NamedTuple):
    """Of the primary picture: whether the container rotates or mirrors it, and the camera's EXIF block."""

    is_turned: bool
    exif: bytes


def primary(data: bytes) -> Primary:
    """Return what the container says of its primary picture; empty values where it is broken."""
    for meta in within(data, (b"meta",)):
        try:
            return _primary(data, meta)
        except (struct.error, IndexError):
            break
    return Primary(is_turned=False, exif=b"")


def described(data: bytes) -> Described:
    """Return EXIF and XMP of the primary picture; `data` may be only the beginning of a file. Empty where it is
    broken."""
    for meta in within(data, (b"meta",)):
        if meta.end > len(data):
            break
        try:
            return _described(data, meta)
        except (struct.error, IndexError):
            return Described()
    return Described(is_whole=False)


def _described(data: bytes, meta: Box) -> Described:
    inner = {box.kind: box for box in reversed(list(boxes(data, meta.start + 4, meta.end)))}
    if b"iinf" not in inner or b"iloc" not in inner:
        return Described()
    exif, has_exif = _first(data, inner, b"Exif")
    xmp, has_xmp = _first(data, inner, b"mime")
    return Described(_without_offset(exif), xmp, is_whole=has_exif and has_xmp)


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
        exif = _without_offset(_first(data, inner, b"Exif")[0])
    return Primary(is_turned, exif)


def _first(data: bytes, inner: Mapping[bytes, Box], kind: bytes) -> tuple[bytes, bool]:
    """Return the content of the first item of type `kind` that describes the primary picture, and whether all of it is
    in the file; b"" if there is none."""
    idat = inner[b"idat"].start if b"idat" in inner else 0
    items = list(_items(data, inner[b"iinf"], kind))
    if not items:
        return b"", True
    # Phones also describe the depth and gain maps of a picture, in items of their own.
    about = _about_primary(data, inner) if len(items) > 1 else set()
    number = next((one for one in items if one in about), items[0])
    start, length = _extent(data, inner[b"iloc"], number, idat)
    return bytes(data[start : start + min(length, _LONGEST_EXIF)]), start + length <= len(data)


def _about_primary(data: bytes, inner: Mapping[bytes, Box]) -> set[int]:
    """Return the numbers of the items that describe the primary item."""
    if b"pitm" not in inner or b"iref" not in inner:
        return set()
    pitm, iref = inner[b"pitm"].start, inner[b"iref"]
    primary, size = _number(data, pitm + 4, 4 if data[pitm] else 2), 4 if data[iref.start] else 2
    found = set()
    for box in within(data, (b"cdsc",), iref.start + 4, iref.end):
        count = min(_number(data, box.start + size, 2), _MOST)
        first = box.start + size + 2
        if primary in (_number(data, at, size) for at in range(first, first + count * size, size)):
            found.add(_number(data, box.start, size))
    return found


def _without_offset(exif: bytes) -> bytes:
    """Return an EXIF block without its prefix: a 4-byte length, and that many bytes."""
    return exif[4 + int.from_bytes(exif[:4], "big") :]


def _number(data: bytes, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size], "big")


def _properties(data: bytes, iprp: Box, item: int) -> Iterator[bytes]:
    """Yield the types of the properties of `item`."""
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


def _items(data: bytes, iinf: Box, kind: bytes) -> Iterator[int]:
    """Yield the numbers of the items of type `kind`: "Exif", or "mime" for XMP."""
    start = iinf.start + (8 if data[iinf.start] else 6)
    for entry in within(data, (b"infe",), start, iinf.end):
        version = data[entry.start]
        size = 4 if version == 3 else 2
        at = entry.start + 6 + size
        if version < 2 or data[at : at + 4] != kind:
            continue
        if kind == b"Exif" or b"application/rdf+xml" in data[at + 4 : min(entry.end, at + 200)]:
            yield _number(data, entry.start + 4, size)


def _extent(data: bytes, iloc: Box, item: int, idat: int) -> tuple[int, int]:
    """Return the offset of the first extent of an item, and its length; (0, 0) if it is not in this file."""
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
            return start, _number(data, at + offset_size, length_size)
        position += 2 + extents * (index + offset_size + length_size)
    return 0, 0
