"""Whether two pictures are the same cell by cell, up to brightness and saturation: for those of like hashes whose
points cannot tell. The hash of a drawing on a plain ground says where something is, and not what it is."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search.imaging.thumbnails import COMPARED_SIDE

Small: TypeAlias = NDArray[np.uint8]
"""A picture's Y, Cb and Cr: (128, 128, 3)."""
Cells: TypeAlias = NDArray[np.float32]

SMALL = COMPARED_SIDE
_SIDE = 32
_FEW = 10
"""Cells of 1,024 that may differ more than the others."""
_DIFFERS = 1.2
"""Standard deviations of the greys by which the others may differ: 1.1 at most for drawings that were saved again, and
1.3 at least for other drawings of a like hash."""
_LEAST_SPREAD = 8.0
_OTHER_COLOUR = 70.0
"""How far apart, of Cb and Cr, the colours of a cell may be: 60 at most where a copy was made more colourful."""
_GREY = 4.0
"""Root mean square of Cb and Cr below which a picture has no colours, and may be a copy of one that has."""


@dataclass(frozen=True, slots=True)
class Look:
    """The means of a picture's cells: `greys` (32, 32), `colours` (32, 32, 2), Cb and Cr about zero."""

    greys: Cells
    colours: Cells


def look_of(small: Small) -> Look:
    """Return what a picture looks like from afar."""
    cells = small.reshape(_SIDE, SMALL // _SIDE, _SIDE, -1, 3).mean((1, 3), dtype=np.float32)
    return Look(cells[..., 0], cells[..., 1:] - 128)


def looks_same(one: Look, other: Look) -> bool:
    """Return whether nothing but brightness and saturation differs. Crops and borders differ."""
    pairs = ((one, other), (other, one))
    return (
        max(_most(greys_apart(left.greys, right.greys)) for left, right in pairs) <= _DIFFERS
        and max(float(colours_apart(left.colours, right.colours).max()) for left, right in pairs) <= _OTHER_COLOUR
    )


def _most(apart: Cells) -> float:
    """The largest, but for a few cells."""
    return float(np.partition(apart.ravel(), -_FEW)[-_FEW])


def greys_apart(one: Cells, other: Cells, inside: Any = ...) -> Cells:
    """Return how far apart two pictures of greys are, cell by cell, in standard deviations of the other one: by the
    line through the greys of both that fits best, as brighter or paler is the same. Cells `inside` tell what fits."""
    here, there = one[inside], other[inside]
    means = here.mean(), there.mean()
    gain = ((here - means[0]) * (there - means[1])).mean() / max(float(here.var()), 1.0)
    off: Cells = np.abs(gain * (one - means[0]) + means[1] - other) / max(float(there.std()), _LEAST_SPREAD)
    return off


def colours_apart(one: Cells, other: Cells, inside: Any = ...) -> Cells:
    """Return how far apart two pictures of Cb and Cr are, cell by cell: more or less colourful is the same, and so is
    grey. Cells `inside` tell how colourful."""
    here, there = one[inside], other[inside]
    norms = [float(np.square(each).sum(-1).mean()) for each in (here, there)]
    if min(norms) < _GREY**2:
        return np.zeros(one.shape[:-1], np.float32)
    gain = max(0.0, float((here * there).sum(-1).mean())) / norms[0]
    apart: Cells = np.linalg.norm(gain * one - other, axis=-1).astype(np.float32)
    return apart
