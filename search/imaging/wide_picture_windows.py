"""Windows: square parts of a wide or tall picture that a model sees besides its centre, along the long side.

Of a picture full of detail they cover everything. Where the picture has a background, columns (rows in a tall picture)
that look alike, they cover what differs from it, and fit it: the panels of a comic strip, a ship on an empty sea.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageChops

MOST = 8
"""Maximum number of windows of a picture."""
WIDE = (8, 5)
"""Aspect ratio, as a fraction, above which a picture has windows: 16:9 does, 16:10 and 3:2 do not."""
UNIT = 10_000
"""Fractions of a picture are stored as integers, with this as 1."""
_ALIKE = 24
"""Colour difference, of 255, up to which places look the same: JPEG's noise is below."""
_CANDIDATES = 16
"""Number of columns tried as the background."""
_LOOKED_AT = 400_000
"""Maximum number of pixels that are analysed."""
_THINNEST = 16
"""Pixels of the shorter side below which a picture has no windows."""
_LEAST_SHARE = 4
"""A window is at least this part of the shorter side: less has too few pixels for a model."""
_SPECK = 24
"""Things smaller than this part of the shorter side in both directions are dust."""
_STEP = 0.6
"""Maximum distance between neighbouring squares, in squares: what one cuts through, the next has more of. Phone
screens, of up to 2.2 : 1, get three squares, and the middle one is free."""
_GAP = 8
"""Things closer to each other than this part of the shorter side are joined."""


class Box(NamedTuple):
    """A part of an upright picture: its edges as fractions of the picture in units of 1/UNIT."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Left, top, width and height in fractions of the picture, 0 to 1."""
        width, height = self.right - self.left, self.bottom - self.top
        return self.left / UNIT, self.top / UNIT, width / UNIT, height / UNIT

    def of(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in pixels of a picture of `size`, at least one pixel wide and high."""
        left, right = _pixels(self.left, self.right, size[0])
        top, bottom = _pixels(self.top, self.bottom, size[1])
        return left, top, right, bottom


def is_wide(width: int, height: int) -> bool:
    """Whether a picture of this size, wide or tall, has windows."""
    return WIDE[1] * max(width, height) > WIDE[0] * min(width, height)


def is_middle(box: Box, size: tuple[int, int]) -> bool:
    """Whether a window is the square to which a model itself crops a whole picture of this size."""
    left, top, right, bottom = box.of(size)
    short, off = min(size), max(2, max(size) // 200)
    edges = (left - (size[0] - short) / 2, top - (size[1] - short) / 2, right - left - short, bottom - top - short)
    return all(abs(edge) <= off for edge in edges)


def windows_of(picture: Image.Image) -> list[Box]:
    """Return the windows of an upright, wide or tall RGB picture, in order along its long side."""
    if min(picture.size) < _THINNEST:
        return []
    is_tall = picture.height > picture.width
    across = picture.transpose(Image.Transpose.TRANSPOSE) if is_tall else picture
    # Enough to separate things, and a strip takes no more memory than other pictures.
    across = across.reduce(max(1, math.ceil(math.sqrt(across.width * across.height / _LOOKED_AT))))
    spans = [_square(span, across.size) if _fits(span, across.height) else span for span in _things(across)]
    found = [Box(*_fractions(square, across.size)) for square in _covering(spans, across.size)]
    return [Box(box.top, box.left, box.bottom, box.right) for box in found] if is_tall else found


_Pixels = tuple[int, int, int, int]


def _things(picture: Image.Image) -> list[_Pixels]:
    """Return the parts of a wide picture that differ from its background; all of it if it has none."""
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
    """Return the column of a wide picture that most others resemble; None if they are fewer than half a square's
    width."""
    small = picture.reduce(max(1, picture.height // 48))
    columns = [(2 * number + 1) * small.width // (2 * _CANDIDATES) for number in range(_CANDIDATES)]
    alike = {column: sum(not there for there in _differs(small, column).getprojection()[0]) for column in columns}
    best = max(columns, key=lambda column: alike[column])
    if alike[best] < small.height // 2:
        return None
    return (2 * best + 1) * picture.width // (2 * small.width)


def _differs(picture: Image.Image, column: int) -> Image.Image:
    """Return a mask of where a picture differs from one of its columns."""
    ground = picture.crop((column, 0, column + 1, picture.height)).resize(picture.size, Image.Resampling.NEAREST)
    red, green, blue = ImageChops.difference(picture, ground).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue).point(_MASK)


_MASK = [255 * (value > _ALIKE) for value in range(256)]


def _runs(there: Sequence[int], gap: int) -> list[tuple[int, int]]:
    """Return start and end of the runs of nonzero values, ignoring gaps shorter than `gap`."""
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
    """Join the two things that are nearest to each other."""
    gaps = [after[0] - before[2] for before, after in pairwise(things)]
    place = gaps.index(min(gaps))
    one, other = things[place : place + 2]
    things[place : place + 2] = [(one[0], min(one[1], other[1]), other[2], max(one[3], other[3]))]


def _fits(thing: _Pixels, short: int) -> bool:
    """Whether one window suffices: of a thing slightly longer than a square, the ends are cut off."""
    return 10 * (thing[2] - thing[0]) <= 11 * short


def _square(thing: _Pixels, size: tuple[int, int]) -> _Pixels:
    """Return the smallest square around a thing, within the picture."""
    left, top, right, bottom = thing
    side = min(max(right - left, bottom - top, size[1] // _LEAST_SHARE), size[1])
    left = max(0, min((left + right - side) // 2, size[0] - side))
    top = max(0, min((top + bottom - side) // 2, size[1] - side))
    return left, top, left + side, top + side


def _covering(things: Sequence[_Pixels], size: tuple[int, int]) -> list[_Pixels]:
    """Return at most MOST squares that cover the things; of a long picture as much as that many cover."""
    length, short = size
    squares = [square for thing in things for square in _row(thing, size)]
    if len(squares) <= MOST:
        return squares
    return list(_spread(things[0][0] if things else 0, things[-1][2] if things else length, short, MOST))


def _row(thing: _Pixels, size: tuple[int, int]) -> Iterator[_Pixels]:
    """Yield the squares that cover a thing: the thing itself if one suffices."""
    length, short = size
    if _fits(thing, short):
        yield thing
        return
    count = 1 + math.ceil((thing[2] - thing[0] - short) / (_STEP * short))
    if thing[2] - thing[0] == length and count % 2 == 0 and count + 1 < MOST:
        count += 1  # the middle one equals what a model sees of the whole picture: it is free
    yield from _spread(thing[0], thing[2], short, min(count, MOST))


def _spread(start: int, end: int, side: int, count: int) -> Iterator[_Pixels]:
    """Yield `count` evenly spaced squares from start to end."""
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
    """Return the edges of a part of a side in pixels, within it and at least one apart."""
    first = min(round(start * side / UNIT), side - 1)
    return first, max(first + 1, min(round(end * side / UNIT), side))
