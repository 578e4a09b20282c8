"""Compare two pictures cell by cell, up to brightness and saturation: for pairs with similar hashes and too few
keypoints. The hash of a drawing on a plain background says where something is, not what."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search.imaging.thumbnails import COMPARED_SIDE

Small: TypeAlias = NDArray[np.uint8]
"""A picture's Y, Cb and Cr: shape (128, 128, 3)."""
Cells: TypeAlias = NDArray[np.float32]

SMALL = COMPARED_SIDE
_SIDE = 32
_FEW = 10
"""Number of the 1,024 cells that may differ by more."""
_DIFFERS = 1.2
"""Standard deviations of the greys by which other cells may differ: drawings saved again reach 1.1, other drawings
with similar hashes at least 1.3."""
_LEAST_SPREAD = 8.0
_OTHER_COLOUR = 70.0
"""Maximum distance of a cell's Cb and Cr: copies with more saturation reach 60."""
_GREY = 4.0
"""Root mean square of Cb and Cr below which a picture is grey, and may be a copy of a coloured one."""


@dataclass(frozen=True, slots=True)
class CellMeans:
    """Cell means of a picture: `greys` (32, 32), `colours` (32, 32, 2) with Cb and Cr around zero."""

    greys: Cells
    colours: Cells


def cell_means(small: Small) -> CellMeans:
    """Return the cell means of a picture."""
    cells = small.reshape(_SIDE, SMALL // _SIDE, _SIDE, -1, 3).mean((1, 3), dtype=np.float32)
    return CellMeans(cells[..., 0], cells[..., 1:] - 128)


def cells_match(one: CellMeans, other: CellMeans) -> bool:
    """Return whether only brightness and saturation differ. Crops and borders count as different."""
    pairs = ((one, other), (other, one))
    return (
        max(_most(grey_distances(left.greys, right.greys)) for left, right in pairs) <= _DIFFERS
        and max(float(colour_distances(left.colours, right.colours).max()) for left, right in pairs) <= _OTHER_COLOUR
    )


def _most(distances: Cells) -> float:
    """Return the largest value after the _FEW - 1 largest."""
    return float(np.partition(distances.ravel(), -_FEW)[-_FEW])


def grey_distances(one: Cells, other: Cells, inside: Any = ...) -> Cells:
    """Return the distance of two grey pictures by cell, in standard deviations of `other`, after fitting a line, so
    that brightness and contrast don't count. The fit uses the cells `inside`."""
    here, there = one[inside], other[inside]
    means = here.mean(), there.mean()
    gain = ((here - means[0]) * (there - means[1])).mean() / max(float(here.var()), 1.0)
    off: Cells = np.abs(gain * (one - means[0]) + means[1] - other) / max(float(there.std()), _LEAST_SPREAD)
    return off


def colour_distances(one: Cells, other: Cells, inside: Any = ...) -> Cells:
    """Return the distance of two pictures of Cb and Cr by cell, after scaling, so that saturation does not count, nor
    grey. The scale is fitted to the cells `inside`."""
    here, there = one[inside], other[inside]
    norms = [float(np.square(each).sum(-1).mean()) for each in (here, there)]
    if min(norms) < _GREY**2:
        return np.zeros(one.shape[:-1], np.float32)
    gain = max(0.0, float((here * there).sum(-1).mean())) / norms[0]
    distances: Cells = np.linalg.norm(gain * one - other, axis=-1).astype(np.float32)
    return distances
