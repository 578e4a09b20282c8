"""Clusters on the map: hills of its density (watershed), each with everything on its slopes.

A hill that rises little above the saddle to a higher one belongs to that (prominence). No distance has to be chosen,
and every picture belongs to a group.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from search.mapping.layout import Positions

Labels: TypeAlias = npt.NDArray[np.int64]
"""Shape (count,): the group of each picture, from 0."""
_Grid: TypeAlias = npt.NDArray[np.float64]

MOST = 80
_FINEST = 256
_BLURRED = 0.011
"""Blur, as a share of the map's width: nearer peaks merge."""


def groups_wanted(count: int) -> int:
    """Return the maximum number of groups for `count` pictures: 13 for 400, 54 for 30,000, 80 for 100,000."""
    return int(np.clip(round(1.8 * count**0.33), 1, MOST))


def grouped(positions: Positions) -> tuple[Labels, Positions]:
    """Return the group of each position, the largest group first, and the centre of each group."""
    side = int(np.clip(2 * np.sqrt(len(positions)), 16, _FINEST))
    cells = np.clip(((positions + 1) / 2 * side).astype(np.int64), 0, side - 1)
    heights = _heights(cells, side)
    basins = _basins(heights, groups_wanted(len(positions)))
    found = basins[cells[:, 0], cells[:, 1]]
    kept, labels, sizes = np.unique(found, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    tops = np.stack(np.unravel_index(kept[order], heights.shape), axis=1)
    return rank[labels.reshape(-1)], (tops + 0.5) / side * 2 - 1


def _heights(cells: npt.NDArray[np.int64], side: int) -> _Grid:
    from scipy import ndimage  # noqa: PLC0415 - only needed to build a map

    counts = np.zeros((side, side))
    np.add.at(counts, (cells[:, 0], cells[:, 1]), 1)
    heights: _Grid = ndimage.gaussian_filter(counts, max(0.8, _BLURRED * side), mode="constant")
    # Empty cells slope down away from the nearest hill.
    heights[heights < 1e-6] = 0.0
    far = ndimage.distance_transform_edt(heights == 0) if (heights == 0).any() else 0.0
    return heights - 1e-6 * far


def _basins(heights: _Grid, most: int) -> Labels:
    """Return, for each cell, the index of its peak; at most `most` peaks."""
    _, rises = _flooded(heights, np.inf)
    least = sorted(rises, reverse=True)[most - 2] if 1 < most <= len(rises) else np.inf if most == 1 else 0.0
    roots, _ = _flooded(heights, least)
    return roots.reshape(heights.shape)


def _flooded(heights: _Grid, least: float) -> tuple[Labels, list[float]]:
    """Flood from the highest cell to the lowest, joining hills where they meet.

    Return the peak of each cell, where hills with a prominence below `least` are merged into a higher one, and the
    prominences of those merged.
    """
    flat, side = heights.ravel(), heights.shape[1]
    parent = np.full(flat.size, -1, dtype=np.int64)
    rises: list[float] = []

    def top_of(cell: int) -> int:
        while parent[cell] != cell:
            parent[cell] = parent[parent[cell]]
            cell = int(parent[cell])
        return cell

    for cell in np.argsort(-flat, kind="stable").tolist():
        reached = {top_of(one) for one in _around(cell, side, flat.size) if parent[one] >= 0}
        highest, *others = sorted(reached, key=lambda top: (-flat[top], top)) or [cell]
        parent[cell] = highest
        for other in others:
            if (rise := float(flat[other] - flat[cell])) < least:
                rises.append(rise)
                parent[other] = highest
    return np.array([top_of(cell) for cell in range(flat.size)], dtype=np.int64), rises


def _around(cell: int, side: int, size: int) -> list[int]:
    column = cell % side
    columns = [one for one in (-1, 0, 1) if 0 <= column + one < side]
    return [cell + row + one for row in (-side, 0, side) for one in columns if (row or one) and 0 <= cell + row < size]
