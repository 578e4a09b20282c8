"""Which parts of a picture stand out: what people may want to search by.

Each colour counts by how unusual it is in the picture, and places near to the middle a little more, where people put
what they mean to show.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from search.imaging.windows import UNIT, Box

_SIDES = (0.45, 0.6, 0.8)
"""Sides of the squares that are tried, in parts of the short side."""
_LEAST_SIDE = 3
"""Pixels of the small picture that a square has at least."""
_LEAST_DETAIL = 4.0
"""The spread of colours, of 255, below which a picture shows nothing that could stand out."""
_NOISE = 5.0
"""Differences of colour, of 255, that mean nothing where all colours are alike."""
_TO_THE_EDGE = 0.5
"""The part of its score that a square in a corner loses."""
_OVERLAP = 0.2
"""The part of two squares that may be the same at most."""

_Numbers = NDArray[np.float64]


class _Squares(NamedTuple):
    """Squares of one side, in pixels, and how much each stands out."""

    lefts: NDArray[np.intp]
    tops: NDArray[np.intp]
    side: int
    scores: _Numbers


def striking_parts(picture: Image.Image, most: int) -> list[Box]:
    """Return up to `most` squares of a small picture in RGB that stand out from what is around them, those that do so
    most first. None of a picture without detail."""
    width, height = picture.size
    colours = np.asarray(picture, dtype=np.float64)
    if colours.std(axis=(0, 1)).max() < _LEAST_DETAIL:
        return []
    sums = _sums(_rarity(colours))
    sides = {max(_LEAST_SIDE, round(share * min(width, height))) for share in _SIDES}
    tried = [_scored(sums, side) for side in sorted(sides) if side < max(width, height) and side <= min(width, height)]
    ranked = sorted(
        (-float(score), (int(left), int(top), int(left) + squares.side, int(top) + squares.side))
        for squares in tried
        for left, top, score in zip(squares.lefts, squares.tops, squares.scores, strict=True)
        if score > 0
    )
    chosen: list[tuple[int, int, int, int]] = []
    for _score, square in ranked:
        if len(chosen) < most and all(_shared(square, other) <= _OVERLAP for other in chosen):
            chosen.append(square)
    return [_box(square, width, height) for square in chosen]


def _rarity(colours: _Numbers) -> _Numbers:
    """Return how unusual each pixel's colour is in the picture, in standard deviations, shape (height, width)."""
    pixels = colours.reshape(-1, 3) - colours.mean(axis=(0, 1))
    spread = pixels.T @ pixels / len(pixels) + _NOISE**2 * np.eye(3)
    distances: _Numbers = np.sqrt(np.einsum("ij,jk,ik->i", pixels, np.linalg.inv(spread), pixels))
    return distances.reshape(colours.shape[:2])


def _sums(values: _Numbers) -> _Numbers:
    """The sums of all pixels above and to the left of each corner of a pixel, shape (height + 1, width + 1)."""
    return np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _scored(sums: _Numbers, side: int) -> _Squares:
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    tops, lefts = (at.ravel() for at in np.mgrid[: height - side + 1, : width - side + 1])
    inside, pixels = _sum_of(sums, lefts, tops, lefts + side, tops + side)
    wider = max(1, side // 2)
    edges = (
        np.maximum(0, lefts - wider),
        np.maximum(0, tops - wider),
        np.minimum(width, lefts + side + wider),
        np.minimum(height, tops + side + wider),
    )
    around, all_pixels = _sum_of(sums, *edges)
    contrast = inside / pixels - (around - inside) / np.maximum(1, all_pixels - pixels)
    across, down = (2 * lefts + side) / width - 1, (2 * tops + side) / height - 1
    return _Squares(lefts, tops, side, contrast * (1 - _TO_THE_EDGE * np.hypot(across, down) / math.sqrt(2)))


def _sum_of(
    sums: _Numbers, left: NDArray[np.intp], top: NDArray[np.intp], right: NDArray[np.intp], bottom: NDArray[np.intp]
) -> tuple[_Numbers, _Numbers]:
    """Return the sum of each rectangle, and the number of its pixels."""
    total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return total, ((right - left) * (bottom - top)).astype(np.float64)


def _shared(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Return the share of both rectangles together that lies in each of them."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    area = sum((edges[2] - edges[0]) * (edges[3] - edges[1]) for edges in (one, other))
    return both / (area - both)


def _box(square: tuple[int, int, int, int], width: int, height: int) -> Box:
    left, top, right, bottom = square
    return Box(
        round(UNIT * left / width),
        round(UNIT * top / height),
        round(UNIT * right / width),
        round(UNIT * bottom / height),
    )
