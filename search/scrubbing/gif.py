"""GIF: keeps frames, timing and loop count; drops comments, texts and XMP."""

import struct

from search.scrubbing.shared_by_formats import Malformed

_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B
_TIMING, _APPLICATION = 0xF9, 0xFF
_TIMING_LENGTH = 4
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def scrub(data: bytes) -> bytes:
    """Return `data` with only frames, timing and looping. Raises Malformed."""
    if not data.startswith((b"GIF87a", b"GIF89a")):
        raise Malformed("not a GIF file")
    position = _after_colours(data, 13, 10)
    kept = [b"GIF89a", data[6:position]]
    frames, timing = 0, b""
    # The end marker is often missing, and a file that ends with a block is complete without it.
    while position < len(data) and data[position] != _END:
        begin = position
        if data[position] == _FRAME:
            position = _after_blocks(data, _after_colours(data, begin + 10, begin + 9) + 1)
            kept += timing, data[begin:position]
            frames, timing = frames + 1, b""
        elif data[position] == _EXTENSION and begin + 2 < len(data):
            position = _after_blocks(data, begin + 2)
            if data[begin + 1] == _TIMING:
                timing = _timing(data[begin:position])
            elif data[begin + 1] == _APPLICATION:
                kept.append(_looping(data[begin:position]))
            elif data[begin + 1] == 0x01:  # a text drawn by the viewer; the timing before it was its own
                timing = b""
        elif data[position] == 0:  # some programs pad between blocks, and every viewer skips it
            position += 1
        else:
            raise Malformed("unknown block")
    if not frames:
        raise Malformed("no picture")
    return b"".join([*kept, bytes((_END,))])


def _after_colours(data: bytes, position: int, flags: int) -> int:
    """Return the end of the colour table at `position`, whose size is in the byte at `flags`."""
    if flags >= len(data):
        raise Malformed("cut short")
    return position + (3 << (data[flags] & 7) + 1 if data[flags] & 0x80 else 0)


def _after_blocks(data: bytes, position: int) -> int:
    """Return the end of the chain of blocks of up to 255 bytes at `position`."""
    while position < len(data) and data[position]:
        position += 1 + data[position]
    if position >= len(data):
        raise Malformed("blocks without end")
    return position + 1


def _timing(extension: bytes) -> bytes:
    # 21 F9, the length 4, four bytes, and the terminating zero.
    return extension[: 3 + _TIMING_LENGTH] + b"\0" if extension[2] == _TIMING_LENGTH else b""


def _looping(extension: bytes) -> bytes:
    """Return the looping extension rewritten; nothing for any other extension."""
    if extension[2] != 11 or extension[3:14] not in _LOOPING or extension[14:16] != b"\3\1" or len(extension) < 18:
        return b""
    (times,) = struct.unpack_from("<H", extension, 16)
    return struct.pack("<BBB11sBBHB", _EXTENSION, _APPLICATION, 11, b"NETSCAPE2.0", 3, 1, times, 0)
