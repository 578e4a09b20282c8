"""A dozen named colours to filter by, and the name nearest to any colour."""

import math
from collections.abc import Sequence
from functools import lru_cache

PALETTE: dict[str, str] = {
    "red": "#d03030",
    "orange": "#ec8a26",
    "yellow": "#f0d43c",
    "green": "#4f9a45",
    "teal": "#3aa6a0",
    "blue": "#3a67c4",
    "purple": "#7d4bb0",
    "pink": "#eb8fb4",
    "brown": "#7a5230",
    "black": "#1c1c1c",
    "grey": "#8a8a8a",
    "white": "#f2f2f2",
}
"""Name -> "#rrggbb"."""

# By distance to one colour per name, dark brown would be nearest to black, navy to purple and a pale sky to grey, so
# each name has several shades.
_SHADES = {
    "red": ("#ff0000", "#7d1616", "#b5453e"),
    "orange": ("#ff7f00", "#c8641e", "#f5b878"),
    "yellow": ("#ffff00", "#b9a22a", "#f6eea6"),
    "green": ("#00ff00", "#1f4d22", "#8a9a3c", "#a9d69a"),
    "teal": ("#00ffff", "#12504e", "#a4dcd8"),
    "blue": ("#0000ff", "#17244f", "#4aa0e6", "#a9c8ea"),
    "purple": ("#8000ff", "#3c2158", "#bfa3dc"),
    "pink": ("#ff00ff", "#d8407e", "#f7cfd9"),
    "brown": ("#3f2716", "#a47a50", "#5c4632"),
    "black": ("#000000",),
    "grey": ("#505050", "#bdbdbd"),
    "white": ("#ffffff",),
}

_D65 = (0.95047, 1.0, 1.08883)
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


@lru_cache(maxsize=4096)
def palette_colour(colour: str) -> str:
    """Return the name in PALETTE nearest to "#rrggbb": the minimum CIELAB distance (CIE76) to any of its shades."""
    lab = _lab(colour)
    return min(PALETTE, key=lambda name: min(math.dist(lab, shade) for shade in _shades(name)))


@lru_cache(maxsize=len(PALETTE))
def _shades(name: str) -> list[Sequence[float]]:
    return [_lab(shade) for shade in (PALETTE[name], *_SHADES[name])]


def _lab(colour: str) -> Sequence[float]:
    """Return CIE L*a*b* of an sRGB colour under D65 (IEC 61966-2-1, then CIE 15)."""
    linear = [_linear(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5)]
    x, y, z = (
        _cube_root(sum(factor * part for factor, part in zip(row, linear, strict=True)) / white)
        for row, white in zip(_TO_XYZ, _D65, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _cube_root(ratio: float) -> float:
    return ratio ** (1 / 3) if ratio > 216 / 24389 else (24389 / 27 * ratio + 16) / 116
