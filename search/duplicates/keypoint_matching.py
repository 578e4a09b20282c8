"""Whether two pictures show the same by points that match: ORB, and one similarity that lays most of them upon each
other (RANSAC). It tells crops, borders and turned pictures, of which perceptual hashes know nothing.

By OpenCV, which is an extra: requirements-duplicates.txt.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from search.duplicates.cell_comparison import SMALL, Small, colours_apart, greys_apart

LEAST_POINTS = 20
"""Points that fit, below which two pictures are not the same."""
LEAST_SHARE = 0.45
"""Of all matching points, the share that must fit."""
LEAST_COMMON = 0.3
"""Of a picture, how much the other one must lie upon: a logo or a frame is no picture."""
DIFFERS = 0.5
"""Standard deviations of the greys by which a block differs."""
OTHER_COLOUR = 40.0
"""How far apart, of Cb and Cr, a block is of another colour."""
MOST_DIFFERING = 0.02
"""Of all blocks in common, the share that may differ."""
_LARGER = 3.0
"""Times that one of them may be as large as the other, both brought to the same size."""
_BLOCK = 12
_FEATURES = 300
_LEVELS, _STEP = 6, 1.3
"""Sizes at which points are looked for, each so many times smaller. With greys of 400 pixels, 500 points and 8 sizes
as much is found, for twice the time for points and four times that for matching."""
_NEARER = 0.8
"""Times the distance of the second best match, below which a match counts (Lowe's ratio)."""
_APART = 3.0
"""Pixels that a point may be off."""


@cache
def _cv() -> Any | None:
    try:
        import cv2  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        return None
    cv2.setNumThreads(1)
    return cv2


def is_there() -> bool:
    """Whether OpenCV is installed."""
    return _cv() is not None


@dataclass(frozen=True, slots=True)
class Points:
    """Where the points of a picture are, in pixels of `size`, what each looks like, and the picture in small."""

    places: Any
    descriptors: Any
    size: tuple[int, int]
    small: Small


def points_of(grey: Image.Image, small: Small) -> Points | None:
    """Return the points of a picture by its greys and its small copy, as `search.imaging.thumbnails.compared`
    makes them; None where it has too few."""
    cv = _cv()
    assert cv
    orb = cv.ORB_create(_FEATURES, _STEP, _LEVELS, fastThreshold=10)
    found, descriptors = orb.detectAndCompute(np.asarray(grey), None)
    if descriptors is None or len(found) < LEAST_POINTS:
        return None
    return Points(cv.KeyPoint_convert(found), descriptors, grey.size, small)


class Match(NamedTuple):
    """`points` so many fit. `is_same` is None where too few do to tell."""

    points: int
    is_same: bool | None


def match(one: Points, other: Points) -> Match:
    """Return whether two pictures show the same by their points."""
    cv = _cv()
    assert cv
    # What `BFMatcher.knnMatch` does, without an object for each of 600 matches.
    apart, nearest = cv.batchDistance(one.descriptors, other.descriptors, cv.CV_32S, normType=cv.NORM_HAMMING, K=2)
    good = np.flatnonzero(apart[:, 0] < _NEARER * apart[:, 1])
    if len(good) < LEAST_POINTS:
        return Match(0, None)
    here, there = one.places[good], other.places[nearest[good, 0]]
    found, fitting = cv.estimateAffinePartial2D(here, there, method=cv.RANSAC, ransacReprojThreshold=_APART)
    count = 0 if found is None else int(fitting.sum())
    if count < max(LEAST_POINTS, LEAST_SHARE * len(good)):
        return Match(count, None)
    return Match(count, differing_share(one, other, found) <= MOST_DIFFERING)


def differing_share(one: Points, other: Points, transform: Any) -> float:
    """Return which share of what two pictures have in common differs, once one is laid upon the other: of a burst it
    is what has moved, of two memes their words. 1 where they have little in common."""
    cv = _cv()
    assert cv
    # From pixels to the squares in which the greys are kept, and back.
    shrunk = np.diag([SMALL / other.size[0], SMALL / other.size[1], 1.0])
    grown = np.diag([one.size[0] / SMALL, one.size[1] / SMALL, 1.0])
    if not (np.isfinite(transform).all() and 1 / _LARGER <= np.hypot(*transform[:, 0]) <= _LARGER):
        return 1.0
    laid = (shrunk @ np.vstack([transform, [0, 0, 1]]) @ grown)[:2]
    squares = (SMALL, SMALL)
    here = cv.warpAffine(one.small, laid, squares, flags=cv.INTER_LINEAR)
    common = cv.warpAffine(np.full((SMALL, SMALL), 255, np.uint8), laid, squares) > 250
    common = cv.erode(common.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    if common.mean() < LEAST_COMMON:
        return 1.0
    left, right = (cv.GaussianBlur(each.astype(np.float32), (0, 0), 1.5) for each in (here, other.small))
    whole = _blocks(common.astype(np.float32)) > 0.9
    if not whole.any():
        return 1.0
    greys = _blocks(greys_apart(left[..., 0], right[..., 0], common) * common) > DIFFERS
    colours = _blocks(colours_apart(left[..., 1:] - 128, right[..., 1:] - 128, common) * common) > OTHER_COLOUR
    return float((greys | colours)[whole].mean())


def _blocks(apart: Any) -> Any:
    """The means of overlapping blocks."""
    return _cv().boxFilter(apart, -1, (_BLOCK, _BLOCK))[:: _BLOCK // 2, :: _BLOCK // 2]  # type: ignore[union-attr]
