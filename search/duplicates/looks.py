"""Whether two pictures are the same cell by cell, up to brightness and saturation: for those of like hashes whose
points cannot tell. The hash of a drawing on a plain ground says where something is, and not what it is."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Small: TypeAlias = NDArray[np.uint8]
"""A picture's Y, Cb and Cr: (128, 128, 3)."""
Cells: TypeAlias = NDArray[np.float32]

SMALL = 128
_SIDE = 32
_FEW = 10
"""Cells of 1,024 that may differ more than the others."""
_DIFFERS = 1.2
"""Standard deviations of the greys by which the others may differ: 1.1 at most for drawings that were saved again, and
1.3 at least for other drawings of a like hash."""
_LEAST_SPREAD = 8.0
_OTHER_COLOUR = 70.0
"""How far apart, of Cb and Cr, the colours of a cell may be: 60 at most where a copy was made more colourful."""
GREY = 4.0
"""Root mean square of Cb and Cr below which a picture has no colours, and may be a copy of one that has."""


@dataclass(frozen=True, slots=True)
class Look:
    """The means of a picture's cells: `greys` (32, 32), `colours` (32, 32, 2), Cb and Cr about zero."""

    greys: Cells
    colours: Cells


def small_of(picture: Image.Image) -> Small:
    """Return a picture in small, whatever its shape."""
    return np.asarray(picture.resize((SMALL, SMALL), Image.Resampling.BOX).convert("YCbCr"))


def look_of(small: Small) -> Look:
    """Return what a picture looks like from afar."""
    cells = small.reshape(_SIDE, SMALL // _SIDE, _SIDE, -1, 3).mean((1, 3), dtype=np.float32)
    return Look(cells[..., 0], cells[..., 1:] - 128)


def looks_same(one: Look, other: Look) -> bool:
    """Return whether nothing but brightness and saturation differs. Crops and borders differ."""
    return (
        max(_grey_apart(one.greys, other.greys), _grey_apart(other.greys, one.greys)) <= _DIFFERS
        and _colour_apart(one.colours, other.colours) <= _OTHER_COLOUR
    )


def _grey_apart(one: Cells, other: Cells) -> float:
    """By the line through the greys of both that fits best: brighter or paler is the same."""
    here, there = one - one.mean(), other - other.mean()
    gain = (here * there).mean() / max(float(here.var()), 1.0)
    off = np.abs(gain * here - there).ravel() / max(float(there.std()), _LEAST_SPREAD)
    return float(np.partition(off, -_FEW)[-_FEW])


def _colour_apart(one: Cells, other: Cells) -> float:
    norms = [float(np.square(each).sum(-1).mean()) for each in (one, other)]
    if min(norms) < GREY**2:
        return 0.0
    common = max(0.0, float((one * other).sum(-1).mean()))
    paler = (
        np.linalg.norm(common / norms[0] * one - other, axis=-1),
        np.linalg.norm(common / norms[1] * other - one, axis=-1),
    )
    return float(max(each.max() for each in paler))
