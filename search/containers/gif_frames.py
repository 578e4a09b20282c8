"""Extents of the frames of a GIF file, read without decoding."""

from collections.abc import Iterator

_EXTENSION, _FRAME = 0x21, 0x2C


def frame_extents(data: bytes, most: int) -> Iterator[tuple[int, int]]:
    """Yield the right and lower edge of each of the first `most` frames, in pixels."""
    position = _after_colours(data, 13, 10)
    while position + 10 <= len(data) and most:
        kind = data[position]
        if kind == _FRAME:
            left, top, width, height = (
                int.from_bytes(data[at : at + 2], "little") for at in range(position + 1, position + 9, 2)
            )
            yield left + width, top + height
            most -= 1
            position = _after_blocks(data, _after_colours(data, position + 10, position + 9) + 1)
        elif kind == _EXTENSION:
            position = _after_blocks(data, position + 2)
        else:
            position += 1


def _after_colours(data: bytes, position: int, flags: int) -> int:
    """Return the end of the colour table at `position`, whose size is in the byte at `flags`."""
    return position + (3 << (data[flags] & 7) + 1 if flags < len(data) and data[flags] & 0x80 else 0)


def _after_blocks(data: bytes, position: int) -> int:
    """Return the end of the chain of blocks of up to 255 bytes at `position`."""
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1
