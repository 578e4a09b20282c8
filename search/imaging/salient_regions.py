"""Finds salient regions: the parts of a picture that stand out, which people may want to search by.

A colour counts by how rare it is in the picture, and positions near the centre count slightly more, where people put
their subject.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from search.imaging.wide_picture_windows import UNIT, Box

_SIDES = (0.45, 0.6, 0.8)
"""Sides of the candidate squares, in fractions of the shorter side."""
_LEAST_SIDE = 3
"""Minimum side of a square in pixels of the small picture."""
_LEAST_DETAIL = 4.0
"""Standard deviation of colours, of 255, below which a picture has no detail."""
_NOISE = 5.0
"""Colour differences, of 255, that are noise in a picture of uniform colour."""
_TO_THE_EDGE = 0.5
"""The fraction of its score that a square in a corner loses."""
_OVERLAP = 0.2
"""Maximum overlap of two results (intersection over union)."""

_Numbers = NDArray[np.float64]


class _Squares(NamedTuple):
    """Squares of one side, in pixels, with their scores."""

    lefts: NDArray[np.intp]
    tops: NDArray[np.intp]
    side: int
    scores: _Numbers


def salient_squares(picture: Image.Image, most: int) -> list[Box]:
    """Return up to `most` squares of a small RGB picture that contrast with their surroundings, best first; none for a
    picture without detail."""
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
    """Return the rarity of each pixel's colour: its Mahalanobis distance from the mean, shape (height, width)."""
    pixels = colours.reshape(-1, 3) - colours.mean(axis=(0, 1))
    spread = pixels.T @ pixels / len(pixels) + _NOISE**2 * np.eye(3)
    distances: _Numbers = np.sqrt(np.einsum("ij,jk,ik->i", pixels, np.linalg.inv(spread), pixels))
    return distances.reshape(colours.shape[:2])


def _sums(values: _Numbers) -> _Numbers:
    """Return the integral image: sums of all pixels above and left of each corner, shape (height + 1, width + 1)."""
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
    """Return the sum of each rectangle, and its number of pixels."""
    total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return total, ((right - left) * (bottom - top)).astype(np.float64)


def _shared(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Return the intersection over union of two rectangles."""
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
