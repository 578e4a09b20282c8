"""Which parts of a wide or tall picture a model is to see besides its middle: squares along the long side.

Of a picture that is full of detail they cover all. One that has a ground, columns (of a tall picture: rows) that look
alike, is covered where it differs from that, by squares that fit what is there: the panels of a comic strip, a ship on
an empty sea.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageChops

MOST = 8
"""Windows that a picture has at most."""
WIDE = (8, 5)
"""One side is to be longer than so many times the other, as a fraction: 16:9 is wide, 16:10 and 3:2 are not."""
UNIT = 10_000
"""Fractions of a picture are kept in whole numbers of which so many are one."""
_ALIKE = 24
"""By how much colours may differ, of 255, in places that look the same: JPEG's noise is below."""
_CANDIDATES = 16
"""Columns that are tried as the ground."""
_LOOKED_AT = 400_000
"""Pixels in which windows are looked for at most."""
_THINNEST = 16
"""Pixels of the short side below which there is nothing to be seen."""
_LEAST_SHARE = 4
"""A window is not smaller than this part of the short side: less has too few pixels to tell anything."""
_SPECK = 24
"""What is smaller than this part of the short side in both directions is dust."""
_STEP = 0.6
"""How far it is from a square to the next at most, in squares: what one cuts through, the next has more of. With phone
screens, of up to 2.2 : 1, three squares do, and the middle one costs nothing."""
_GAP = 8
"""Things that are nearer to each other than this part of the short side are one."""


class Box(NamedTuple):
    """A part of an upright picture: its edges as fractions of the picture, in units of which UNIT are the whole."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Left, top, width and height in fractions of the picture, 1 for all of it."""
        width, height = self.right - self.left, self.bottom - self.top
        return self.left / UNIT, self.top / UNIT, width / UNIT, height / UNIT

    def of(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The same in pixels of a picture of this size, one at least."""
        left, right = _pixels(self.left, self.right, size[0])
        top, bottom = _pixels(self.top, self.bottom, size[1])
        return left, top, right, bottom


def is_wide(width: int, height: int) -> bool:
    """Whether a picture of this size, wide or tall, is to have windows."""
    return WIDE[1] * max(width, height) > WIDE[0] * min(width, height)


def is_middle(box: Box, size: tuple[int, int]) -> bool:
    """Whether a window is the very square that a model sees of the whole picture of this size that it cuts itself."""
    left, top, right, bottom = box.of(size)
    short, off = min(size), max(2, max(size) // 200)
    edges = (left - (size[0] - short) / 2, top - (size[1] - short) / 2, right - left - short, bottom - top - short)
    return all(abs(edge) <= off for edge in edges)


def windows_of(picture: Image.Image) -> list[Box]:
    """Return the windows of an upright, wide or tall picture in RGB, from one end of its long side to the other."""
    if min(picture.size) < _THINNEST:
        return []
    is_tall = picture.height > picture.width
    across = picture.transpose(Image.Transpose.TRANSPOSE) if is_tall else picture
    # Enough to tell one thing from the next, and a strip takes no more memory than other pictures.
    across = across.reduce(max(1, math.ceil(math.sqrt(across.width * across.height / _LOOKED_AT))))
    spans = [_square(span, across.size) if _fits(span, across.height) else span for span in _things(across)]
    found = [Box(*_fractions(square, across.size)) for square in _covering(spans, across.size)]
    return [Box(box.top, box.left, box.bottom, box.right) for box in found] if is_tall else found


_Pixels = tuple[int, int, int, int]


def _things(picture: Image.Image) -> list[_Pixels]:
    """Return the parts of a wide picture that differ from its ground; all of it where it has none."""
    width, height = picture.size
    ground = _ground(picture)
    if ground is None:
        return [(0, 0, width, height)]
    differs = _differs(picture, ground)
    runs = _runs(differs.getprojection()[0], max(1, height // _GAP))
    found = []
    for start, end in runs:
        box = differs.crop((start, 0, end, height)).getbbox()
        if box and max(box[2] - box[0], box[3] - box[1]) > height // _SPECK:
            found.append((start, box[1], end, box[3]))
    while len(found) > MOST:
        _join_nearest(found)
    return found


def _ground(picture: Image.Image) -> int | None:
    """Return the column of a wide picture that most others look like; None where fewer do than a square is wide."""
    small = picture.reduce(max(1, picture.height // 48))
    columns = [(2 * number + 1) * small.width // (2 * _CANDIDATES) for number in range(_CANDIDATES)]
    alike = {column: sum(not there for there in _differs(small, column).getprojection()[0]) for column in columns}
    best = max(columns, key=lambda column: alike[column])
    if alike[best] < small.height // 2:
        return None
    return (2 * best + 1) * picture.width // (2 * small.width)


def _differs(picture: Image.Image, column: int) -> Image.Image:
    """Return where a picture differs from one of its columns, as a mask."""
    ground = picture.crop((column, 0, column + 1, picture.height)).resize(picture.size, Image.Resampling.NEAREST)
    red, green, blue = ImageChops.difference(picture, ground).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue).point(_MASK)


_MASK = [255 * (value > _ALIKE) for value in range(256)]


def _runs(there: Sequence[int], gap: int) -> list[tuple[int, int]]:
    """Return where what is there begins and ends, over gaps that are shorter than `gap`."""
    runs: list[tuple[int, int]] = []
    for place, is_there in enumerate(there):
        if not is_there:
            continue
        if runs and place - runs[-1][1] < gap:
            runs[-1] = runs[-1][0], place + 1
        else:
            runs.append((place, place + 1))
    return runs


def _join_nearest(things: list[_Pixels]) -> None:
    """Make one of the two things that are nearest to each other."""
    gaps = [after[0] - before[2] for before, after in pairwise(things)]
    place = gaps.index(min(gaps))
    one, other = things[place : place + 2]
    things[place : place + 2] = [(one[0], min(one[1], other[1]), other[2], max(one[3], other[3]))]


def _fits(thing: _Pixels, short: int) -> bool:
    """Whether one window does for a thing: of one that is a little longer than a square, the ends are left out."""
    return 10 * (thing[2] - thing[0]) <= 11 * short


def _square(thing: _Pixels, size: tuple[int, int]) -> _Pixels:
    """Return the square around a thing, as tight as can be and within the picture."""
    left, top, right, bottom = thing
    side = min(max(right - left, bottom - top, size[1] // _LEAST_SHARE), size[1])
    left = max(0, min((left + right - side) // 2, size[0] - side))
    top = max(0, min((top + bottom - side) // 2, size[1] - side))
    return left, top, left + side, top + side


def _covering(things: Sequence[_Pixels], size: tuple[int, int]) -> list[_Pixels]:
    """Return the squares that cover the things, at most MOST; all of a long one where that many suffice."""
    length, short = size
    squares = [square for thing in things for square in _row(thing, size)]
    if len(squares) <= MOST:
        return squares
    return list(_spread(things[0][0] if things else 0, things[-1][2] if things else length, short, MOST))


def _row(thing: _Pixels, size: tuple[int, int]) -> Iterator[_Pixels]:
    """Yield the squares that cover a thing: itself, where it is one."""
    length, short = size
    if _fits(thing, short):
        yield thing
        return
    count = 1 + math.ceil((thing[2] - thing[0] - short) / (_STEP * short))
    if thing[2] - thing[0] == length and count % 2 == 0 and count + 1 < MOST:
        count += 1  # the middle one is what a model sees of the whole picture: it costs nothing
    yield from _spread(thing[0], thing[2], short, min(count, MOST))


def _spread(start: int, end: int, side: int, count: int) -> Iterator[_Pixels]:
    """Yield so many squares from start to end, as far from each other as they can be."""
    for number in range(count):
        left = start + round((end - start - side) * number / max(1, count - 1))
        yield left, 0, left + side, side


def _fractions(square: _Pixels, size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = square
    width, height = size
    return (
        round(UNIT * left / width),
        round(UNIT * top / height),
        round(UNIT * right / width),
        round(UNIT * bottom / height),
    )


def _pixels(start: int, end: int, side: int) -> tuple[int, int]:
    """Return the edges of a part of a side in pixels, within it and one apart at least."""
    first = min(round(start * side / UNIT), side - 1)
    return first, max(first + 1, min(round(end * side / UNIT), side))
