"""What a demo picture can show: the small world's attributes, its scenes, and what can be stated of a scene."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal, get_args

Shape = Literal[
    "circle", "square", "triangle", "star", "heart", "ring", "cross", "hexagon", "moon", "arrow", "flower", "drop",
    "fish",
]  # fmt: skip
Colour = Literal[
    "red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "brown", "white", "black", "grey"
]
Count = Literal[1, 2, 3, 4, 5]
Size = Literal["small", "large"]
Place = Literal["left", "right", "top", "bottom", "centre"]
Background = Literal["white", "black", "night", "sand", "grass", "stripes", "dots", "sea"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLOURS: tuple[Colour, ...] = get_args(Colour)
COUNTS: tuple[Count, ...] = get_args(Count)
SIZES: tuple[Size, ...] = get_args(Size)
PLACES: tuple[Place, ...] = get_args(Place)
BACKGROUNDS: tuple[Background, ...] = get_args(Background)

# Colours that would be invisible, or ambiguous, on a background.
_LOST_ON: dict[Background, frozenset[Colour]] = {
    "white": frozenset({"white"}),
    "black": frozenset({"black"}),
    "night": frozenset({"black", "blue", "purple"}),
    "sand": frozenset({"yellow", "orange"}),
    "grass": frozenset({"green"}),
    "stripes": frozenset({"white", "grey"}),
    "dots": frozenset({"white", "pink"}),
    "sea": frozenset({"blue", "turquoise"}),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The content of a picture: `count` shapes of one kind, colour and size, at one place of the picture."""

    shape: Shape
    colour: Colour
    count: Count
    size: Size
    place: Place
    background: Background

    @property
    def drawable(self) -> bool:
        """Whether the colour is visible on the background, and the shapes have room at their place."""
        room = 5 if self.size == "small" else 4 if self.place == "centre" else 2
        return self.count <= room and self.colour not in _LOST_ON[self.background]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a caption states about a scene; None for what it doesn't state."""

    shape: Shape | None = None
    colour: Colour | None = None
    count: Count | None = None
    size: Size | None = None
    place: Place | None = None
    background: Background | None = None

    def holds(self, scene: Scene) -> bool:
        """Whether everything stated is true of the scene; an empty statement is true of every scene."""
        return all(value is None or value == getattr(scene, name) for name, value in self.stated())

    def stated(self) -> Iterator[tuple[str, object]]:
        """The attributes in a fixed order, each with its value or None."""
        return ((field.name, getattr(self, field.name)) for field in fields(self))


def pairs() -> Iterator[tuple[Colour, Shape]]:
    """Yield every combination of colour and shape."""
    return ((colour, shape) for shape in SHAPES for colour in COLOURS)


def is_unseen(colour: Colour, shape: Shape) -> bool:
    """Whether the model never meets this combination in training, neither drawn nor in words.

    Two colours of each shape, a sixth of all combinations, spread so that each colour loses two or three shapes.
    """
    row, column = SHAPES.index(shape), COLOURS.index(colour)
    return column in {5 * row % len(COLOURS), (5 * row + 7) % len(COLOURS)}


def random_scene(rng: random.Random, colour: Colour | None = None, shape: Shape | None = None) -> Scene:
    """Return a drawable scene with the given colour and shape; the rest is chosen uniformly."""
    while True:
        scene = Scene(
            shape=rng.choice(SHAPES) if shape is None else shape,
            colour=rng.choice(COLOURS) if colour is None else colour,
            count=rng.choice(COUNTS),
            size=rng.choice(SIZES),
            place=rng.choice(PLACES),
            background=rng.choice(BACKGROUNDS),
        )
        if scene.drawable:
            return scene


def random_statement(scene: Scene, rng: random.Random) -> Statement:
    """Return a true statement about the scene: mostly its colour and shape, sometimes more or less."""
    while True:
        statement = Statement(
            shape=scene.shape if rng.random() < 0.8 else None,
            colour=scene.colour if rng.random() < 0.75 else None,
            count=scene.count if rng.random() < 0.25 else None,
            size=scene.size if rng.random() < 0.25 else None,
            place=scene.place if rng.random() < 0.2 else None,
            background=scene.background if rng.random() < 0.3 else None,
        )
        if statement != Statement():
            return statement
