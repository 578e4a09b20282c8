"""The first page of a TIFF file, rewritten for a decoder.

A decoder never gets the file as it came. It gets the same bytes with a directory of our own appended, which names only
what the page needs: no further pages, no EXIF, no 65,000 private tags that each span the whole file. Layouts that
Pillow refuses or misreads are described in it as grey pages, one or several, from which the samples are put together
again afterwards.
"""

import itertools
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from search.containers.errors import Reason, UnreadableImage, too_many_pixels
from search.containers.tiff import (
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    HEIGHT,
    INTEGERS,
    ORIENTATION,
    PALETTE,
    PHOTOMETRIC,
    PLANES,
    PREDICTOR,
    PROFILE,
    SAMPLE_FORMAT,
    SAMPLES,
    STRIP_ROWS,
    STRIP_SIZES,
    STRIPS,
    TILE_HEIGHT,
    TILE_SIZES,
    TILE_WIDTH,
    TILES,
    WIDTH,
    Directory,
    container,
    main_page,
)

_SHORT, _LONG, _RATIONAL = 3, 4, 5
_JPEG = 7
_COMPRESSIONS = {1, 2, 3, 4, 5, _JPEG, 8, 32773, 32946, 34925, 50000}
"""None, fax, LZW, JPEG, deflate, PackBits, LZMA and Zstandard; not old-style JPEG, nor vendors' own."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_INTEGER, _SIGNED, _FLOAT = 1, 2, 3
_MOST_PIECES = 2**18
_LARGEST_TILE = 2**22
_LARGEST_FILE = 2**32 - 2**24
"""Offsets in our directory have 32 bits, also for a BigTIFF, which Pillow reads in one byte order only."""

# Tags that a decoder may see, and the maximum number of values of each.
_NEEDED = {
    WIDTH: 1,
    HEIGHT: 1,
    BITS: 8,
    COMPRESSION: 1,
    PHOTOMETRIC: 1,
    266: 1,  # order of bits
    STRIPS: _MOST_PIECES,
    SAMPLES: 1,
    STRIP_ROWS: 1,
    STRIP_SIZES: _MOST_PIECES,
    PLANES: 1,
    292: 1,  # fax options
    293: 1,
    PREDICTOR: 1,
    PALETTE: 3 * 2**16,
    TILE_WIDTH: 1,
    TILE_HEIGHT: 1,
    TILES: _MOST_PIECES,
    TILE_SIZES: _MOST_PIECES,
    EXTRA_SAMPLES: 8,
    SAMPLE_FORMAT: 8,  # integers or floats
    347: 2**16,  # tables of JPEG
    529: 3,  # YCbCr
    530: 2,
    531: 1,
    532: 6,
    PROFILE: 2**22,
}
_PIECES = (STRIPS, STRIP_SIZES, TILES, TILE_SIZES)


@dataclass(frozen=True)
class Samples:
    """How the samples of a page are put together from the grey pages that a decoder gets.

    `mode` is Pillow's of the result, with one band for each sample that is used. With `is_planar` each sample has its
    own grey page; else the only one has the `count` samples of a pixel side by side. Samples have `bits` bits.
    """

    width: int
    height: int
    count: int
    mode: str
    bits: int
    is_float: bool
    is_planar: bool


class Page(NamedTuple):
    """The first page of a TIFF, ready for a decoder, and what remains to be applied to its decoded samples.

    `samples` is None where the decoder reads the page as it is.
    """

    data: bytes
    orientation: int
    inverted: bool
    samples: Samples | None


_Values = dict[int, Sequence[int] | bytes]
"""Values by tag: numbers, or bytes as they are. Numbers of rationals are numerators and denominators in turn."""


def first_page(data: bytes, max_pixels: int) -> Page:
    """Return the first page of a TIFF file as a file of its own. Raises UnreadableImage."""
    file = container(data)
    page = main_page(file) if file else None
    if file is None or page is None or (page.is_cut and WIDTH not in page.fields):
        raise UnreadableImage(Reason.TRUNCATED)
    if page.number(COMPRESSION, 1) not in _COMPRESSIONS or len(data) > _LARGEST_FILE:
        raise UnreadableImage(Reason.UNSUPPORTED)
    pieces = _pieces(page, max_pixels)
    if _ends_beyond(page, pieces):  # a decoder would take our directory for samples
        raise UnreadableImage(Reason.TRUNCATED)
    values, samples = _values(page, pieces), _samples(page)
    inverted = page.number(PHOTOMETRIC, 1) == _WHITE_IS_ZERO and (samples is not None or page.number(BITS, 1) > 8)
    if samples:
        directories, order = _grey_pages(values, samples, pieces), "<" if samples.bits < 16 else file.order
    else:
        directories, order = [values | _changed(page, inverted=inverted)], file.order
    orientation = page.number(ORIENTATION, 1)
    return Page(
        _rewritten(data, directories, order),
        orientation if 1 <= orientation <= 8 else 1,
        inverted=inverted,
        samples=samples,
    )


def _values(page: Directory, pieces: int) -> _Values:
    """Return the values of a page that a decoder may see."""
    values: _Values = {}
    for tag, field in page.fields.items():
        if field.values > _NEEDED.get(tag, 0):
            continue
        # Pillow would draw the picture again for each full set of pieces.
        count = min(field.values, pieces) if tag in _PIECES else field.values
        if tag in (PROFILE, 347):
            values[tag] = bytes(page.file.data[field.position : field.position + field.length])
        elif field.kind == _RATIONAL:
            values[tag] = struct.unpack_from(f"{page.file.order}{2 * count}I", page.file.data, field.position)
        elif field.kind in INTEGERS:
            values[tag] = page.numbers(tag, count)
    return values


def _changed(page: Directory, *, inverted: bool) -> _Values:
    """Return the values that our directory changes because Pillow would misread or refuse them."""
    changed: _Values = {}
    if inverted:
        changed[PHOTOMETRIC] = [_BLACK_IS_ZERO]  # Pillow ignores that 0 is white in grey of more than 8 bits
    if page.number(PHOTOMETRIC) == _CMYK and len(page.numbers(EXTRA_SAMPLES)) == 1:
        changed[EXTRA_SAMPLES] = [0]  # Pillow knows no transparency in CMYK
    palette = page.numbers(PALETTE, _NEEDED[PALETTE])
    if palette and max(palette) < 256:  # of 8 bits instead of 16, as old programs write it
        changed[PALETTE] = [value * 257 for value in palette]
    return changed


def _samples(page: Directory) -> Samples | None:
    """Return how the samples are put together, if Pillow can't read the page as it is."""
    count, bits = page.number(SAMPLES, 1), set(page.numbers(BITS)) or {1}
    kinds, photometric = set(page.numbers(SAMPLE_FORMAT)) or {_INTEGER}, page.number(PHOTOMETRIC, 1)
    colours = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}.get(photometric)
    if page.number(COMPRESSION, 1) == _JPEG or colours is None or count < colours or len(bits) > 1 or len(kinds) > 1:
        return None
    (depth,), (kind,), is_planar = bits, kinds, page.number(PLANES, 1) == 2 and count > 1
    if _is_read_by_pillow(page, count, depth, kind, is_planar=is_planar) or depth > 32 or kind == _SIGNED:
        return None
    if kind == _FLOAT and depth != 32:
        return None
    if count > 1 and not is_planar and page.number(PREDICTOR, 1) != 1:
        return None  # differences are of whole pixels
    extra = (page.numbers(EXTRA_SAMPLES) or (0,))[0] if count > colours else 0
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[colours]
    if colours < 4 and extra in (1, 2):  # in 1, colours are already multiplied by it
        mode = {("L", 1): "La", ("L", 2): "LA", ("RGB", 1): "RGBa", ("RGB", 2): "RGBA"}[mode, extra]
    return Samples(page.number(WIDTH), page.number(HEIGHT), count, mode, depth, kind == _FLOAT, is_planar)


def _is_read_by_pillow(page: Directory, count: int, depth: int, kind: int, *, is_planar: bool) -> bool:
    """Whether Pillow reads pages of this kind, and reads them right."""
    if count == 1:
        return depth in (1, 2, 4, 8, 16) or kind == _FLOAT
    if count == 2:
        return depth == 8 and bool(page.numbers(EXTRA_SAMPLES)) and not is_planar
    return kind == _INTEGER and (depth == 8 or (depth == 16 and not is_planar))


def _grey_pages(values: Mapping[int, Sequence[int] | bytes], samples: Samples, pieces: int) -> list[_Values]:
    """Return the directories of grey pages that have the samples of one page."""
    across = 1 if samples.is_planar else samples.count
    grey: _Values = {tag: values[tag] for tag in values if tag not in (EXTRA_SAMPLES, PROFILE, PALETTE)}
    grey |= {
        WIDTH: [samples.width * across],
        BITS: [samples.bits],
        SAMPLES: [1],
        PLANES: [1],
        PHOTOMETRIC: [_BLACK_IS_ZERO],
        # Pillow reads grey of 32 bits in both byte orders if it is signed.
        SAMPLE_FORMAT: [_FLOAT if samples.is_float else _SIGNED if samples.bits == 32 else _INTEGER],
    }
    if TILE_WIDTH in values:
        grey[TILE_WIDTH] = [values[TILE_WIDTH][0] * across]
    first: _Values = {PROFILE: values[PROFILE]} if PROFILE in values else {}
    if not samples.is_planar:
        return [grey | first]
    each = pieces // samples.count
    directories = [
        grey | {tag: values[tag][number * each : (number + 1) * each] for tag in _PIECES if tag in values}
        for number in range(samples.count)
    ]
    return [directories[0] | first, *directories[1:]]


def _pieces(page: Directory, max_pixels: int) -> int:
    """Return the number of strips or tiles of the page. Raises UnreadableImage where it must not reach the decoder."""
    width, height = page.number(WIDTH), page.number(HEIGHT)
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)
    tiled = TILES in page.fields
    across, down = (
        (page.number(TILE_WIDTH), page.number(TILE_HEIGHT)) if tiled else (width, page.number(STRIP_ROWS, height))
    )
    if min(width, height, across, down) < 1 or not 1 <= page.number(SAMPLES, 1) <= 8:
        raise UnreadableImage(Reason.DAMAGED)
    # A tile is decoded whole, however little of it is inside the picture.
    if tiled and across * down > max(_LARGEST_TILE, width * height):
        raise UnreadableImage(Reason.DAMAGED)
    planes = page.number(SAMPLES, 1) if page.number(PLANES, 1) == 2 else 1
    pieces = math.ceil(width / across) * math.ceil(height / min(down, height)) * planes
    offsets = page.fields.get(TILES if tiled else STRIPS)
    if offsets is None or offsets.values < pieces or pieces > _MOST_PIECES:
        raise UnreadableImage(Reason.DAMAGED)
    return pieces


def _ends_beyond(page: Directory, pieces: int) -> bool:
    """Whether a strip or tile of the page reaches beyond the end of the file."""
    starts, sizes = (TILES, TILE_SIZES) if TILES in page.fields else (STRIPS, STRIP_SIZES)
    end = len(page.file.data)
    places = page.numbers(starts, pieces)
    if any(start + size > end for start, size in zip(places, page.numbers(sizes, pieces), strict=False)):
        return True
    if page.number(COMPRESSION, 1) != 1 or page.number(PHOTOMETRIC, 1) == 6:
        return any(start >= end for start in places)
    return any(start + size > end for start, size in zip(places, _plain_sizes(page), strict=False))


def _plain_sizes(page: Directory) -> Iterator[int]:
    """Yield the length in bytes of each strip or tile of an uncompressed page."""
    width, height = page.number(WIDTH), page.number(HEIGHT)
    bits = page.numbers(BITS) or (1,)
    samples = page.number(SAMPLES, 1)
    planes = samples if page.number(PLANES, 1) == 2 else 1
    depth = bits[0] if planes > 1 else sum(bits) if len(bits) == samples else bits[0] * samples
    if TILES in page.fields:
        across, down = page.number(TILE_WIDTH), page.number(TILE_HEIGHT)
        yield from itertools.repeat(math.ceil(across * depth / 8) * down)
    rows = min(page.number(STRIP_ROWS, height), height)
    for _ in range(planes):
        for top in range(0, height, rows):
            yield math.ceil(width * depth / 8) * min(rows, height - top)


def _rewritten(data: bytes, directories: Sequence[Mapping[int, Sequence[int] | bytes]], order: str) -> bytes:
    """Return the file with these directories appended, and a header that points to the first."""
    padding = -len(data) % 8
    first = position = len(data) + padding
    parts: list[bytes] = []
    for number, values in enumerate(directories):
        is_last = number == len(directories) - 1
        parts.append(_directory(values, order, position, is_last=is_last))
        position += len(parts[-1])
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return b"".join((magic, struct.pack(order + "I", first), memoryview(data)[8:], bytes(padding), *parts))


def _directory(values: Mapping[int, Sequence[int] | bytes], order: str, position: int, *, is_last: bool) -> bytes:
    """Return a directory for `position`, with its longer values behind it; another one follows unless `is_last`."""
    behind = position + 2 + 12 * len(values) + 4
    entries, longer = [], bytearray()
    for tag, value in sorted(values.items()):
        if isinstance(value, bytes):
            kind, count, packed = 7, len(value), value
        elif tag in (529, 532):
            kind, count, packed = _RATIONAL, len(value) // 2, struct.pack(f"{order}{len(value)}I", *value)
        else:
            # Palettes must be SHORT, and offsets must fit.
            kind = _SHORT if max(value, default=0) < 2**16 and tag not in _PIECES else _LONG
            count, packed = len(value), struct.pack(f"{order}{len(value)}{INTEGERS[kind]}", *value)
        if len(packed) > 4:
            place = struct.pack(order + "I", behind + len(longer))
            longer += packed + bytes(-len(packed) % 8)
        else:
            place = packed.ljust(4, b"\0")
        entries.append(struct.pack(order + "HHI", tag, kind, count) + place)
    longer += bytes(-(behind + len(longer)) % 8)
    following = 0 if is_last else behind + len(longer)
    return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following) + longer
