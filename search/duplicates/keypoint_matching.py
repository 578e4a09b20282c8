"""Compare two pictures by keypoints: ORB features, aligned by a similarity transform (RANSAC). Detects crops, borders
and rotations, which perceptual hashes miss.

Needs OpenCV, an extra: requirements-duplicates.txt.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from search.duplicates.cell_comparison import SMALL, Small, colour_distances, grey_distances

LEAST_POINTS = 20
"""Minimum number of inliers for the same picture."""
LEAST_SHARE = 0.45
"""Minimum share of inliers among the matches."""
LEAST_COMMON = 0.3
"""Minimum share of the picture area that must overlap: a logo or frame is not enough."""
DIFFERS = 0.5
"""Standard deviations of the greys from which a block differs."""
OTHER_COLOUR = 40.0
"""Distance of Cb and Cr from which a block differs in colour."""
MOST_DIFFERING = 0.02
"""Maximum share of differing blocks in the overlap."""
_LARGER = 3.0
"""Maximum scale between the two, both resized to the same size first."""
_BLOCK = 12
_FEATURES = 300
_LEVELS, _STEP = 6, 1.3
"""Pyramid levels and scale factor. With greys of 400 pixels, 500 features and 8 levels find no more, in twice the time
for features and four times that for matching."""
_NEARER = 0.8
"""Maximum ratio of the distances of the best and second-best match (Lowe's ratio test)."""
_APART = 3.0
"""RANSAC reprojection threshold in pixels."""


@cache
def _cv() -> Any | None:
    try:
        import cv2  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        return None
    cv2.setNumThreads(1)
    return cv2


def is_there() -> bool:
    """Return whether OpenCV is installed."""
    return _cv() is not None


@dataclass(frozen=True, slots=True)
class Points:
    """Keypoints of a picture: positions in pixels of `size`, descriptors, and the small copy."""

    places: Any
    descriptors: Any
    size: tuple[int, int]
    small: Small


def points_of(grey: Image.Image, small: Small) -> Points | None:
    """Return the keypoints of a picture from its greys and small copy, as made by
    `search.imaging.thumbnails.compared`; None if there are too few."""
    cv = _cv()
    assert cv
    orb = cv.ORB_create(_FEATURES, _STEP, _LEVELS, fastThreshold=10)
    found, descriptors = orb.detectAndCompute(np.asarray(grey), None)
    if descriptors is None or len(found) < LEAST_POINTS:
        return None
    return Points(cv.KeyPoint_convert(found), descriptors, grey.size, small)


class Match(NamedTuple):
    """`points` is the number of inliers. `is_same` is None if there are too few to decide."""

    points: int
    is_same: bool | None


def match(one: Points, other: Points) -> Match:
    """Compare two pictures by their keypoints."""
    cv = _cv()
    assert cv
    # Like `BFMatcher.knnMatch`, without an object for each of 600 matches.
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
    """Return the share of differing blocks in the overlap of two aligned pictures: in a burst, what moved; in memes,
    the text. 1 if the overlap is small."""
    cv = _cv()
    assert cv
    # From pixels to the coordinates of the small copies, and back.
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
    greys = _blocks(grey_distances(left[..., 0], right[..., 0], common) * common) > DIFFERS
    colours = _blocks(colour_distances(left[..., 1:] - 128, right[..., 1:] - 128, common) * common) > OTHER_COLOUR
    return float((greys | colours)[whole].mean())


def _blocks(apart: Any) -> Any:
    """Return the means of overlapping blocks."""
    return _cv().boxFilter(apart, -1, (_BLOCK, _BLOCK))[:: _BLOCK // 2, :: _BLOCK // 2]  # type: ignore[union-attr]
