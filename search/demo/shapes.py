"""Outlines of the shapes, as polygons in a circle of radius 1 around (0, 0); y grows downwards as in a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import atan2, cos, pi, sin, tau

from search.demo.scenes import Shape

Point = tuple[float, float]
Polygon = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A filled polygon, the holes in it, and how far it may be rotated (in degrees) without becoming another shape."""

    filled: Polygon
    holes: tuple[Polygon, ...] = ()
    turns: float = 12.0


def _arc(radius: float, start: float = 0.0, stop: float = tau, x: float = 0.0, y: float = 0.0) -> Polygon:
    """Return points along a circle's arc, angles in radians, 64 steps."""
    angles = [start + (stop - start) * step / 64 for step in range(65)]
    return tuple((x + radius * cos(angle), y + radius * sin(angle)) for angle in angles)


def _regular(corners: int, inner: float | None = None) -> Polygon:
    """Return a regular polygon with a vertex at the top; with `inner`, a star with that inner radius."""
    steps = corners * 2 if inner is not None else corners
    radii = (1.0, inner) if inner is not None else (1.0, 1.0)
    return tuple(
        (radii[step % 2] * sin(tau * step / steps), -radii[step % 2] * cos(tau * step / steps))
        for step in range(steps)
    )


def _curve(point: Callable[[float], Point], steps: int = 120) -> Polygon:
    """Return a closed curve, sampled evenly over one period of its parameter."""
    return tuple(point(tau * step / steps) for step in range(steps))


def _heart(t: float) -> Point:
    """The well-known heart curve (https://mathworld.wolfram.com/HeartCurve.html, the sixth), scaled to radius 1."""
    y = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)
    return 16 * sin(t) ** 3 / 16.5, -(y + 2.5) / 16.5


def _flower(t: float) -> Point:
    """Five round petals."""
    radius = 0.58 + 0.42 * abs(cos(2.5 * t)) ** 0.7
    return radius * sin(t), -radius * cos(t)


def _drop(t: float) -> Point:
    """A teardrop (https://mathworld.wolfram.com/TeardropCurve.html, m = 2), its point upwards."""
    return 0.95 * sin(t) * sin(t / 2) ** 2, -cos(t) * 0.98


def _fish(t: float) -> Point:
    """The fish curve (https://mathworld.wolfram.com/FishCurve.html), made fuller, looking left."""
    return 0.1 - (cos(t) - sin(t) ** 2 / 2**0.5) * 0.85, cos(t) * sin(t) * 1.25


def _moon() -> Polygon:
    """A crescent: the outer circle's arc and, back again, the arc of a circle shifted to the right."""
    outer = _arc(1.0, pi * 0.30, pi * 1.70)
    x, y = outer[0]
    shift = 0.52
    inner_radius = ((x - shift) ** 2 + y**2) ** 0.5
    half = pi - abs(atan2(y, x - shift))
    inner = _arc(inner_radius, pi + half, pi - half, x=shift)
    return _centred(outer + inner)


def _centred(points: Sequence[Point]) -> Polygon:
    """Return the points moved so that the centre of their bounding box is (0, 0)."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    middle = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    return tuple((x - middle[0], y - middle[1]) for x, y in points)


_SQUARE: Polygon = ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8))
_CROSS: Polygon = (
    (-0.3, -0.95), (0.3, -0.95), (0.3, -0.3), (0.95, -0.3), (0.95, 0.3), (0.3, 0.3),
    (0.3, 0.95), (-0.3, 0.95), (-0.3, 0.3), (-0.95, 0.3), (-0.95, -0.3), (-0.3, -0.3),
)  # fmt: skip
_ARROW: Polygon = (
    (1.0, 0.0), (0.2, -0.8), (0.2, -0.3), (-0.95, -0.3), (-0.95, 0.3), (0.2, 0.3), (0.2, 0.8),
)  # fmt: skip

OUTLINES: dict[Shape, Outline] = {
    "circle": Outline(_arc(0.92)),
    "square": Outline(_SQUARE),
    "triangle": Outline(_centred(_regular(3))),
    "star": Outline(_regular(5, inner=0.45), turns=18),
    "heart": Outline(_curve(_heart)),
    "ring": Outline(_arc(0.95), holes=(_arc(0.52),)),
    "cross": Outline(_CROSS),
    "hexagon": Outline(_regular(6), turns=8),
    "moon": Outline(_moon(), turns=18),
    "arrow": Outline(_ARROW, turns=40),
    "flower": Outline(_curve(_flower, steps=240), holes=(_arc(0.24),), turns=36),
    "drop": Outline(_curve(_drop)),
    "fish": Outline(_centred(_curve(_fish)), holes=(_arc(0.09, x=-0.52, y=-0.12),)),
}
