"""Drawing of scenes: antialiased shapes with a soft shadow, the same for a seed at any size."""

from __future__ import annotations

import colorsys
import random
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, radians, sin

from PIL import Image, ImageDraw, ImageFilter

from search.demo.backgrounds import RGB, paint_background
from search.demo.scenes import Colour, Count, Place, Scene, Shape, Size
from search.demo.shapes import OUTLINES, Point, Polygon

__all__ = ["Arrangement", "Scene", "arrange", "draw"]

Cell = tuple[int, int]  # column and row

_ASPECTS = (1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3)  # width : height
_SUPERSAMPLING = 4

_RGB: dict[Colour, RGB] = {
    "red": (220, 38, 38),
    "orange": (248, 132, 18),
    "yellow": (250, 212, 34),
    "green": (30, 146, 62),
    "turquoise": (26, 196, 190),
    "blue": (36, 84, 220),
    "purple": (138, 56, 196),
    "pink": (246, 126, 180),
    "brown": (122, 72, 36),
    "white": (250, 250, 250),
    "black": (24, 24, 26),
    "grey": (136, 140, 146),
}

# The central square has four by four cells; a small shape takes one of them, a large one two by two. They are the
# model's patches: with shapes cut differently every time, training would take hours.
_CELLS = 4
_BLOCK: dict[Size, int] = {"small": 1, "large": 2}
_RADII: dict[Size, float] = {"small": 0.107, "large": 0.22}  # in sides of the central square

_LARGE_IN_THE_CENTRE: dict[Count, list[list[Cell]]] = {
    1: [[(1, 1)]],
    2: [[(0, 1), (2, 1)], [(1, 0), (1, 2)], [(0, 0), (2, 2)], [(2, 0), (0, 2)]],
    3: [[(0, 0), (2, 0), (1, 2)], [(1, 0), (0, 2), (2, 2)]],
    4: [[(0, 0), (2, 0), (0, 2), (2, 2)]],
}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What the seed determines; lengths in sides of the picture's central square, from its top left corner."""

    aspect: float
    radius: float
    centres: tuple[Point, ...]
    turns: tuple[float, ...]  # degrees
    colour: RGB


def arrange(scene: Scene, seed: int) -> Arrangement:
    """Choose aspect ratio, layout, rotations and shade.

    All shapes are inside the central square, which is all that CLIP's processor leaves of a picture.
    """
    rng = random.Random(seed)
    aspect = rng.choice(_ASPECTS)
    radius = _RADII[scene.size] * rng.uniform(0.94, 1.06)
    centres = _layout(scene, rng)
    turns = tuple(rng.uniform(-1, 1) * OUTLINES[scene.shape].turns for _ in centres)
    return Arrangement(aspect, radius, centres, turns, _varied(_RGB[scene.colour], rng))


def draw(scene: Scene, seed: int, long_side: int = 640) -> Image.Image:
    """Return an RGB picture of the scene whose longer side is `long_side` pixels."""
    plan = arrange(scene, seed)
    width = long_side if plan.aspect >= 1 else round(long_side * plan.aspect)
    height = round(long_side / plan.aspect) if plan.aspect >= 1 else long_side
    picture = paint_background(scene.background, width, height, random.Random(seed + 1))
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    for (x, y), turn in zip(plan.centres, plan.turns, strict=True):
        _place_shape(picture, scene.shape, (left + x * side, top + y * side), plan.radius * side, turn, plan.colour)
    return picture


def _varied(colour: RGB, rng: random.Random) -> RGB:
    """Return the colour with slightly different hue, saturation and brightness, still of the same name."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    hue = (hue + rng.uniform(-0.012, 0.012)) % 1.0
    saturation = min(1.0, saturation * rng.uniform(0.92, 1.06))
    value = min(1.0, value * rng.uniform(0.94, 1.05))
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _layout(scene: Scene, rng: random.Random) -> tuple[Point, ...]:
    """Return the shapes' centres in the central square: each near the centre of its cells."""
    block = _BLOCK[scene.size]

    def near_the_middle(cell: int) -> float:
        return (cell + block / 2) / _CELLS + rng.uniform(-0.016, 0.016) * block

    return tuple((near_the_middle(column), near_the_middle(row)) for column, row in _cells(scene, rng))


def _cells(scene: Scene, rng: random.Random) -> list[Cell]:
    """Return the top left cell of each shape, as (column, row)."""
    if scene.place == "centre":
        return _cells_in_the_centre(scene.size, scene.count, rng)
    last = _CELLS - _BLOCK[scene.size]
    turned: dict[Place, Callable[[int, int], Cell]] = {
        "left": lambda across, along: (across, along),
        "right": lambda across, along: (last - across, along),
        "top": lambda across, along: (along, across),
        "bottom": lambda across, along: (along, last - across),
    }
    return [turned[scene.place](across, along) for across, along in _cells_at_an_edge(scene.size, scene.count, rng)]


def _cells_at_an_edge(size: Size, count: Count, rng: random.Random) -> list[Cell]:
    """Return the cells, as if the edge were on the left."""
    if size == "large":
        return [(0, 1)] if count == 1 else [(0, 0), (0, 2)]
    if count == 1:
        return [(0, rng.choice((1, 2)))]
    column = [(0, along) for along in sorted(rng.sample(range(_CELLS), min(count, _CELLS)))]
    return column if count <= _CELLS else [*column, (1, rng.choice((1, 2)))]


def _cells_in_the_centre(size: Size, count: Count, rng: random.Random) -> list[Cell]:
    if size == "large":
        return rng.choice(_LARGE_IN_THE_CENTRE[count])
    cells = [(1, 1), (2, 1), (1, 2), (2, 2)]
    around = [(0, 1), (0, 2), (3, 1), (3, 2), (1, 0), (2, 0), (1, 3), (2, 3)]
    return rng.sample(cells, count) if count <= len(cells) else [*cells, rng.choice(around)]


def _mask(shape: Shape, radius: float, turn: float, side: int) -> Image.Image:
    """Return a greyscale tile of `side` pixels with the shape in its centre, rotated by `turn` degrees clockwise."""
    outline = OUTLINES[shape]
    tile = Image.new("L", (side * _SUPERSAMPLING, side * _SUPERSAMPLING), 0)
    pen = ImageDraw.Draw(tile)
    pen.polygon(_turned(outline.filled, radius, turn, side), fill=255)
    for hole in outline.holes:
        pen.polygon(_turned(hole, radius, turn, side), fill=0)
    return tile.reduce(_SUPERSAMPLING)


def _turned(polygon: Polygon, radius: float, turn: float, side: int) -> list[Point]:
    """Return the polygon rotated, scaled to the radius in pixels and moved to the centre of a supersampled tile."""
    cosine, sine = cos(radians(turn)), sin(radians(turn))
    scale, middle = radius * _SUPERSAMPLING, side * _SUPERSAMPLING / 2
    return [(middle + scale * (x * cosine - y * sine), middle + scale * (x * sine + y * cosine)) for x, y in polygon]


def _place_shape(picture: Image.Image, shape: Shape, at: Point, radius: float, turn: float, colour: RGB) -> None:
    """Paint one shape with its shadow, lit from above; `at` and `radius` in pixels."""
    side = 2 * round(radius * 1.5) + 2
    corner = (round(at[0] - side / 2), round(at[1] - side / 2))
    mask = _mask(shape, radius, turn, side)
    shadow = mask.filter(ImageFilter.GaussianBlur(radius * 0.14)).point([level * 2 // 5 for level in range(256)])
    shift = round(radius * 0.09)
    picture.paste((0, 0, 0), (corner[0] + shift, corner[1] + round(shift * 1.5)), shadow)
    lit = Image.composite(
        Image.new("RGB", (side, side), _scaled(colour, 0.86)),
        Image.new("RGB", (side, side), _scaled(colour, 1.12)),
        Image.linear_gradient("L").resize((side, side)),
    )
    picture.paste(lit, corner, mask)


def _scaled(colour: RGB, factor: float) -> RGB:
    """Return the colour lighter or darker, within range."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue
