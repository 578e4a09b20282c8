"""Boxes of ISO base media files: HEIC, AVIF, JPEG 2000, Canon CR3, video."""

from collections.abc import Iterator
from typing import NamedTuple

_MOST = 10_000


class Box(NamedTuple):
    """A box: its type, and the offsets of its content; `end` may lie beyond the end of the file."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the sibling boxes between `start` and `end`; the last one may be truncated."""
    end = len(data) if end is None else min(end, len(data))
    for _ in range(_MOST):
        if start + 8 > end:
            return
        size, header = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        if size == 0:  # "to the end of the file"
            size = end - start
        size = max(size, header)
        yield Box(bytes(data[start + 4 : start + 8]), start + header, start + size)
        start += size


def within(data: bytes, path: tuple[bytes, ...], start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield every box at `path`, a sequence of box types from the outermost in."""
    for box in boxes(data, start, end):
        if box.kind == path[0]:
            if len(path) == 1:
                yield box
            else:
                yield from within(data, path[1:], box.start, box.end)


def is_cut(data: bytes) -> bool:
    """Whether one of the top-level boxes reaches beyond the end of the file."""
    end = 0
    for box in boxes(data):
        end = box.end
    return end > len(data) or 0 < len(data) - end < 8
