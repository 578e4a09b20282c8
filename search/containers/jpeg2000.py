"""A guard for OpenJPEG, which allocates memory for all that a JPEG 2000 file announces before decoding any of it.

A file of some kilobytes may announce 65,535 tiles, 16,384 components, 65,535 layers, or a precinct for each pixel.
"""

import math
import struct
from typing import NamedTuple

from search.containers.boxes import within
from search.containers.errors import Reason, UnreadableImage, too_many_pixels

_CODESTREAM = b"\xff\x4f\xff\x51"
_SIZE, _STYLE, _STYLE_OF_ONE, _TILE_PART, _DATA = 0x51, 0x52, 0x53, 0x90, 0x93
_MOST_COMPONENTS, _MOST_TILES, _MOST_LAYERS, _MOST_PARTS = 5, 2**13, 100, 2**16
_MOST_PRECINCTS = 2**20


class Codestream(NamedTuple):
    """Of a valid codestream: its size in pixels, how often its decoder may halve it, and whether it has an end
    marker."""

    width: int
    height: int
    halvings: int
    is_ended: bool


class _Grid(NamedTuple):
    width: int
    height: int
    tile_width: int
    tile_height: int
    components: int


def checked(data: bytes, max_pixels: int) -> Codestream:
    """Return what a JPEG 2000 file announces. Raises UnreadableImage where it must not reach the decoder."""
    start = 0
    if not data.startswith(_CODESTREAM):
        start = next((box.start for box in within(data, (b"jp2c",))), -1)
    if start < 0 or data[start : start + 4] != _CODESTREAM:
        raise UnreadableImage(Reason.DAMAGED)
    try:
        return _main_header(data, start + 2, max_pixels)
    except struct.error as error:
        raise UnreadableImage(Reason.TRUNCATED) from error


def _main_header(data: bytes, position: int, max_pixels: int) -> Codestream:
    grid: _Grid | None = None
    halvings, end = 32, len(data)
    for _ in range(1_000):
        marker, length = struct.unpack_from(">HH", data, position)
        if marker == 0xFF00 | _TILE_PART:
            end = _check_tiles(data, position)
            break
        payload = data[position + 4 : position + 2 + length]
        if marker == 0xFF00 | _SIZE and grid is None:
            grid = _grid(payload, max_pixels)
        elif marker == 0xFF00 | _STYLE and grid:
            if struct.unpack_from(">H", payload, 2)[0] > _MOST_LAYERS:
                raise UnreadableImage(Reason.DAMAGED)
            halvings = min(halvings, _levels(payload[5:], payload[0] & 1, grid))
        elif marker == 0xFF00 | _STYLE_OF_ONE and grid:
            halvings = min(halvings, _levels(payload[2:], payload[1] & 1, grid))
        position += 2 + max(length, 2)
    if grid is None or halvings == 32:
        raise UnreadableImage(Reason.DAMAGED)
    return Codestream(grid.width, grid.height, halvings, is_ended=end < len(data))


def _grid(payload: bytes, max_pixels: int) -> _Grid:
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, components = struct.unpack_from(
        ">8IH", payload, 2
    )
    width, height = right - left, bottom - top
    if min(width, height, tile_width, tile_height, components) < 1:
        raise UnreadableImage(Reason.DAMAGED)
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)
    tiles = math.ceil((right - tile_left) / tile_width) * math.ceil((bottom - tile_top) / tile_height)
    if tiles > _MOST_TILES or components > _MOST_COMPONENTS:
        raise UnreadableImage(Reason.UNSUPPORTED)
    return _Grid(width, height, min(tile_width, width), min(tile_height, height), components)


def _levels(style: bytes, own_precincts: int, grid: _Grid) -> int:
    """Return the number of levels of a coding style. Raises UnreadableImage for too many precincts."""
    levels = style[0] if style else 33
    if levels > 32 or len(style) < 5 + (levels + 1) * own_precincts:
        raise UnreadableImage(Reason.DAMAGED)
    if own_precincts:
        precincts = 0
        for level, sides in enumerate(style[5 : 6 + levels]):
            # Resolutions come smallest first; each half of the byte is the exponent of a precinct's side, to base 2.
            scale = 2 ** (levels - level)
            across, down = (math.ceil(side / scale) for side in (grid.tile_width, grid.tile_height))
            precincts += math.ceil(across / 2 ** (sides & 15)) * math.ceil(down / 2 ** (sides >> 4))
        if precincts * grid.components > _MOST_PRECINCTS:
            raise UnreadableImage(Reason.DAMAGED)
    return levels


def _check_tiles(data: bytes, position: int) -> int:
    """Check the tile-parts; return the offset of the end of the last one.

    Raises UnreadableImage where one is truncated, of which OpenJPEG draws the rest without an error, or has a coding
    style of its own, whose layers and precincts would escape this guard.
    """
    for _ in range(_MOST_PARTS):
        if data[position : position + 2] != b"\xff\x90":
            return position
        _marker, _length, _tile, size = struct.unpack_from(">HHHI", data, position)
        inner = position + 12
        while True:
            if inner + 4 > len(data):
                raise UnreadableImage(Reason.TRUNCATED)
            marker, length = struct.unpack_from(">HH", data, inner)
            if marker == 0xFF00 | _DATA:
                break
            if marker in (0xFF00 | _STYLE, 0xFF00 | _STYLE_OF_ONE) or marker >> 8 != 0xFF or length < 2:
                raise UnreadableImage(Reason.UNSUPPORTED)
            inner += 2 + length
        if position + size > len(data) or (size == 0 and b"\xff\xd9" not in data[inner:]):
            raise UnreadableImage(Reason.TRUNCATED)
        if size == 0:  # the last one: it lasts until the end marker
            return inner
        position += max(size, 14)
    raise UnreadableImage(Reason.DAMAGED)
